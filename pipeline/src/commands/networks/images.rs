use anyhow::{Context, anyhow, ensure};
use onebasin_datasets::{Dataset, DatasetError, Normalisation, SearchPaths, Source, Split, is_official, open};

use crate::cli::ImageOptions;
use crate::commands::data::fetch_for;
use crate::commands::{Failure, session};

/// Images, and what networks see of them.
pub struct Images {
    pub dataset: Dataset,
    pub normalisation: Normalisation,
    most: Option<usize>,
}

impl Images {
    /// Opens the data set of the options, fetching what is missing.
    pub fn open(options: &ImageOptions) -> Result<Images, Failure> {
        let name = options.data.as_deref().context("no data set is named\nhint: `--data cifar10`").map_err(Failure::Input)?;
        // A spec says the same by other keys.
        let here = |error: DatasetError| {
            let hint = "hint: here `--data` is the name of a known data set, and `--data-folder DIR` where its files lie";
            Failure::Input(anyhow::Error::new(error).context(hint))
        };
        let source = Source::named(name).map_err(here)?;
        let places = SearchPaths::standard(options.data_folder.as_deref(), true);
        fetch_for(&source, &places).map_err(here)?;
        let dataset = open(&source, &places).with_context(|| format!("cannot open `{name}`")).map_err(Failure::Input)?;
        if is_official(&source, &dataset.digest) == Some(false) {
            session::warn_of_images(name);
        }
        let normalisation = match (&options.mean, &options.deviation) {
            (Some(mean), Some(deviation)) => {
                let channels = dataset.train.shape.0;
                let check = || {
                    ensure!(
                        mean.len() == channels && deviation.len() == channels,
                        "`--mean` and `--deviation` need {channels} numbers each"
                    );
                    ensure!(mean.iter().chain(deviation).all(|value| value.is_finite()), "`--mean` and `--deviation` must be finite");
                    ensure!(deviation.iter().all(|&deviation| deviation > 0.0), "`--deviation` must be above 0");
                    Ok(())
                };
                check().map_err(Failure::Input)?;
                Normalisation { mean: mean.clone(), deviation: deviation.clone() }
            }
            _ => dataset.normalisation.clone(),
        };
        if options.images == Some(0) {
            return Err(Failure::Input(anyhow!("`--images` is 0, expected at least 1")));
        }
        Ok(Images { dataset, normalisation, most: options.images })
    }

    /// The first images of a split, or all of it.
    pub fn first(&self, split: &Split) -> Split {
        let count = self.most.unwrap_or(usize::MAX).min(split.len());
        split.select(&(0..count as u32).collect::<Vec<_>>())
    }

    /// How the images are normalised, for a person.
    pub fn told(&self) -> String {
        let list = |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ");
        let Normalisation { mean, deviation } = &self.normalisation;
        format!("networks see (pixel / 255 - mean) / deviation with mean {} and deviation {}", list(mean), list(deviation))
    }
}
