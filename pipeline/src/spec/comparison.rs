//! What a spec compares itself with: figures that others reported, and the profile at whose settings they were made.

use std::path::Path;

use super::document::Reported;
use super::error::SpecError;
use super::experiment::{Method, Pair};
use super::resolve::{Resolver, Result, path};
use crate::comparison::Comparison;
use crate::input_file;
use crate::reported;

impl Resolver<'_> {
    /// What the run is compared with, and the pairs whose data set stands in for another.
    pub(super) fn comparison(&self, folder: &Path, pairs: &[Pair], methods: &[Method]) -> Result<Comparison> {
        let stand_ins = pairs.iter().filter_map(|pair| Some((pair.name(), pair.stands_for.clone()?))).collect();
        let Some(written) = &self.document.reported else { return Ok(Comparison { stand_ins, ..Comparison::default() }) };
        let figures = match &written.file {
            Some(file) => {
                self.told_apart(written)?;
                self.reported(folder, file)?
            }
            None if written.profile.is_some() => Vec::new(),
            None => {
                let error = self.wrong(&path(["reported"]), "`reported` names neither a `file` nor a `profile`");
                return Err(error.hint("`reported = { file = \"reported/x.csv\" }` shows those figures beside ours"));
            }
        };
        let profiles = self.layers.profiles();
        if let Some(profile) = written.profile.as_ref().filter(|profile| !profiles.contains(profile)) {
            let here = path(["reported", "profile"]);
            return Err(self.wrong(&here, format!("unknown profile `{profile}`")).known(profile, profiles.iter().map(String::as_str)));
        }
        for (group, names) in written.interchangeable.iter().enumerate() {
            let here = path(["reported", "interchangeable", &group.to_string()]);
            if names.len() < 2 {
                return Err(self.wrong(&here, "a group of `interchangeable` should name at least two methods"));
            }
            let others = written.interchangeable[..group].iter().flatten();
            if let Some(name) = names.iter().enumerate().find_map(|(index, name)| {
                let twice = names[..index].contains(name) || others.clone().any(|other| other == name);
                twice.then_some(name)
            }) {
                return Err(self.wrong(&here, format!("`interchangeable` names `{name}` twice")).hint("a method is a draw of one thing"));
            }
            for (index, name) in names.iter().enumerate() {
                let known = methods.iter().filter(|method| method.name.is_first()).map(|method| method.name.name.as_str());
                if !known.clone().any(|known| known == name) {
                    let here = path(["reported", "interchangeable", &group.to_string(), &index.to_string()]);
                    return Err(self.wrong(&here, format!("unknown method `{name}`")).known(name, known));
                }
            }
        }
        let Reported { differs, profile, interchangeable, .. } = written.clone();
        Ok(Comparison { figures, differs, profile, deviations: Vec::new(), stand_ins, interchangeable })
    }

    /// Figures are compared at the settings that made them: without a profile that says which, any settings would count as those.
    fn told_apart(&self, written: &Reported) -> Result<()> {
        if written.profile.is_some() || !written.differs.is_empty() {
            return Ok(());
        }
        let message = "`reported.file` without `reported.profile`: nothing says at which settings its figures were made";
        let error = self.wrong(&path(["reported", "file"]), message);
        Err(error.hint(
            "name the profile of those settings, `profile = \"paper\"`, beside a table `[profiles.paper]`, which is empty where the spec has \
             them as it stands; or say in `differs` why no figure can be compared",
        ))
    }

    /// The figures of a file that others reported.
    fn reported(&self, folder: &Path, name: &str) -> Result<Vec<reported::Reported>> {
        let here = path(["reported", "file"]);
        let file = folder.join(name);
        let bytes = input_file::bytes(&file).map_err(|error| {
            self.wrong(&here, format!("cannot read the reported figures `{}`: {error}", file.display()))
                .hint("the path starts at the spec's folder")
        })?;
        reported::parse(&bytes, name).map_err(|error| self.layers.placed(&here, SpecError::new(format!("{error:#}"))))
    }
}
