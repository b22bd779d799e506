//! Which device a stage runs on: one of its kind, the one with the fewest stages, as long as its memory has room.

use onebasin_training::Device;

/// The share of a device's memory that stages may fill by their estimates: a driver and its buffers want some too.
const SHARE: f64 = 0.9;

/// The devices of a run, and what runs on each.
pub(super) struct Placement {
    places: Vec<Place>,
}

struct Place {
    device: Device,
    kind: String,
    /// In bytes, where it is known.
    memory: Option<u64>,
    running: usize,
    /// What those that run are estimated to use, in bytes.
    used: u64,
    /// Stages side by side, once the device has run out of memory.
    most: Option<usize>,
}

impl Placement {
    pub fn new(devices: &[Device]) -> Placement {
        let place = |device: &Device| {
            let (device, kind, memory) = (device.clone(), device.kind().to_owned(), device.memory());
            Place { device, kind, memory, running: 0, used: 0, most: None }
        };
        Placement { places: devices.iter().map(place).collect() }
    }

    /// A device for a stage that wants this kind, or any, and about so much memory. `None` where all of them are full, or none is of this kind.
    pub fn free(&self, kind: Option<&str>, memory: u64) -> Option<usize> {
        let fits = |place: &Place| {
            // One alone always may: an estimate is no proof.
            let room = place.memory.is_none_or(|whole| (place.used + memory) as f64 <= SHARE * whole as f64);
            place.running == 0 || (room && place.most.is_none_or(|most| place.running < most))
        };
        match kind {
            // It computes on no device.
            None => Some(0),
            Some(kind) => {
                let places = self.places.iter().enumerate().filter(|(_, place)| place.kind == kind && fits(place));
                places.min_by_key(|(_, place)| place.running).map(|(number, _)| number)
            }
        }
    }

    /// Whether any device is of this kind.
    pub fn knows(&self, kind: &str) -> bool {
        self.places.iter().any(|place| place.kind == kind)
    }

    pub fn device(&self, number: usize) -> &Device {
        &self.places[number].device
    }

    pub fn begin(&mut self, number: usize, memory: u64) {
        let place = &mut self.places[number];
        place.running += 1;
        place.used += memory;
    }

    pub fn end(&mut self, number: usize, memory: u64) {
        let place = &mut self.places[number];
        place.running -= 1;
        place.used -= memory;
    }

    /// Notes that a stage found no memory beside those that still run on the device: its name, and how many it takes from now on. `None` where
    /// the stage was alone, so that a second try would end as the first.
    pub fn exhausted(&mut self, number: usize) -> Option<(String, usize)> {
        let place = &mut self.places[number];
        let beside = place.running;
        (beside > 0).then(|| {
            let most = place.most.unwrap_or(usize::MAX).min(beside);
            place.most = Some(most);
            (place.device.name(), most)
        })
    }
}

/// Whether a failure says that a device had no memory left, as drivers and kernels put it.
pub(super) fn is_out_of_memory(error: &anyhow::Error) -> bool {
    let text: String = format!("{error:#}").to_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    ["outofmemory", "outofdevicememory"].iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices of these kinds, each with so much memory.
    fn placement(places: &[(&str, Option<u64>)]) -> Placement {
        let place = |&(kind, memory): &(&str, Option<u64>)| {
            let device = Device::select("cpu").unwrap();
            Place { device, kind: kind.to_owned(), memory, running: 0, used: 0, most: None }
        };
        Placement { places: places.iter().map(place).collect() }
    }

    #[test]
    fn stages_go_to_the_emptiest_device_of_their_kind() {
        let mut placement = placement(&[("cuda", None), ("cuda", None), ("cpu", None)]);
        let mut taken = Vec::new();
        for kind in ["cuda", "cuda", "cuda", "cpu", "cuda"] {
            let number = placement.free(Some(kind), 1).unwrap();
            placement.begin(number, 1);
            taken.push(number);
        }
        assert_eq!(taken, [0, 1, 0, 2, 1]);
        placement.end(1, 1);
        assert_eq!(placement.free(Some("cuda"), 1), Some(1));
        assert_eq!(placement.free(Some("wgpu"), 1), None);
        assert!(!placement.knows("wgpu"));
    }

    #[test]
    fn memory_bounds_how_many_share_a_device_but_one_alone_always_runs() {
        let mut placement = placement(&[("cuda", Some(100))]);
        assert_eq!(placement.free(Some("cuda"), 1000), Some(0));
        placement.begin(0, 40);
        assert_eq!(placement.free(Some("cuda"), 50), Some(0));
        assert_eq!(placement.free(Some("cuda"), 51), None);
        assert_eq!(placement.free(None, 1000), Some(0));
    }

    #[test]
    fn a_device_that_ran_out_of_memory_takes_fewer_until_one_is_alone() {
        let mut placement = placement(&[("cuda", None)]);
        for _ in 0..3 {
            placement.begin(0, 0);
        }
        placement.end(0, 0);
        assert_eq!(placement.exhausted(0), Some(("cpu".to_owned(), 2)));
        assert_eq!(placement.free(Some("cuda"), 0), None);
        placement.end(0, 0);
        assert_eq!(placement.free(Some("cuda"), 0), Some(0));
        placement.end(0, 0);
        assert_eq!(placement.exhausted(0), None);
    }

    #[test]
    fn drivers_say_in_several_ways_that_there_is_no_memory() {
        for text in ["out of device memory allocating 1099511627776 bytes", "CUDA_ERROR_OUT_OF_MEMORY", "An out-of-memory error happened"] {
            assert!(is_out_of_memory(&anyhow::anyhow!("the stage panicked: {text}")), "{text}");
        }
        assert!(!is_out_of_memory(&anyhow::anyhow!("loss is not a number")));
    }
}
