use std::path::Path;

use crate::input_file;
use anyhow::{Context, Result, anyhow};
use onebasin_network::{Architecture, Blueprint, Rename, Shape, Stored};

/// A network said outright: `input`, `classes`, and a family with its keys or `layers`, as in a spec; `[names]` maps names of the file, by
/// `from = "to"`.
#[derive(Clone, Debug)]
pub struct ArchitectureFile {
    blueprint: Blueprint,
    input: Option<Shape>,
    classes: Option<usize>,
    /// Names of the file, and the layers they stand for.
    pub names: Vec<Rename>,
}

impl ArchitectureFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a key has an impossible value.
    pub fn read(path: &Path) -> Result<ArchitectureFile> {
        let text = input_file::text(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        ArchitectureFile::parse(&text).with_context(|| format!("`{}` is no architecture", path.display()))
    }

    fn parse(text: &str) -> Result<ArchitectureFile> {
        ArchitectureFile::of(text.parse()?)
    }

    /// What a file of these keys says.
    ///
    /// # Errors
    /// When a key has an impossible value.
    pub fn of(mut table: toml::Table) -> Result<ArchitectureFile> {
        let input = table
            .remove("input")
            .map(|value| value.try_into::<Shape>().context("`input` is channels, height, width: `[3, 32, 32]`"))
            .transpose()?;
        let classes = table.remove("classes").map(|value| value.try_into::<usize>().context("`classes` is a number")).transpose()?;
        let names = match table.remove("names") {
            None => Vec::new(),
            Some(toml::Value::Table(names)) => names
                .into_iter()
                .map(|(from, to)| match to {
                    toml::Value::String(to) => Ok(Rename { from, to }),
                    other => Err(anyhow!("`names.{from}` is `{other}`, expected the name of a layer")),
                })
                .collect::<Result<_>>()?,
            Some(_) => {
                return Err(anyhow!(
                    "`names` is no table\nhint: write `[names]`, then lines such as `\"layer*.*.bn*\" = \"stage*.block*.norm*\"`"
                ));
            }
        };
        let blueprint = toml::Value::Table(table).try_into::<Blueprint>()?;
        Ok(ArchitectureFile { blueprint, input, classes, names })
    }

    /// The network, for images of a shape; as many classes as the last bias or matrix of the file has rows, unless it says.
    ///
    /// # Errors
    /// When the layers do not fit, or no shape is said.
    pub fn architecture(&self, input: Option<Shape>, tensors: &[Stored]) -> Result<Architecture> {
        let input = input.or(self.input).context("no shape of inputs is said\nhint: write `input = [3, 32, 32]`")?;
        let last = tensors.iter().rev().find(|tensor| tensor.shape.len() == 2).map(|tensor| tensor.shape[0]);
        let classes = self.classes.or(last).context("no number of classes is said\nhint: write `classes = 10`")?;
        Ok(self.blueprint.build(input, classes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_said_by_its_family_or_its_layers() {
        let file = ArchitectureFile::parse("input = [1, 28, 28]\nfamily = 'mlp'\nhidden = [4]\n[names]\n'net.0' = 'fc1'").unwrap();
        assert_eq!(file.names, [Rename { from: "net.0".to_owned(), to: "fc1".to_owned() }]);
        let tensors = [Stored { name: "net.2.weight".to_owned(), shape: vec![7, 4] }];
        assert_eq!(file.architecture(None, &tensors).unwrap().classes, 7);
        let error = |text: &str| format!("{:#}", ArchitectureFile::parse(text).unwrap_err());
        assert!(error("family = 'mlp'\nhidden = [4]\nwidth = 3").contains("width"), "{}", error("family = 'mlp'\nhidden = [4]\nwidth = 3"));
        assert!(error("input = 3").contains("channels, height, width"));
    }
}
