//! Which alignments a method needs, each planned once.

use onebasin_matching::{Activations, Matching};
use onebasin_network::{StreamTaps, Tap};
use onebasin_repro::Stream;

use super::{MergeSet, PairPlanner};
use crate::identity::ResultKey;
use crate::spec::Method;
use crate::stage::StageId;
use crate::stages::{Align, MomentsStage};

/// An alignment of the plan.
#[derive(Clone, Debug)]
pub struct PlannedAlignment {
    /// Its stage.
    pub stage: StageId,
    /// Pair, method and replicate.
    pub key: ResultKey,
    /// How many models.
    pub models: usize,
    /// As tables call them: two (`a-b`), a subset (`a+c`), or nothing where they are the first.
    pub names: String,
}

impl PairPlanner<'_, '_> {
    /// The alignment of every model, into one frame.
    pub fn all_aligned(&mut self, method: &Method) -> StageId {
        let count = self.experiment().models.len();
        self.alignment(method, &(0..count).collect::<Vec<_>>(), &count.to_string(), "")
    }

    /// An alignment with two models in it, and their places: that of all models, or of all that the method names, for a joint method, else
    /// the two's own, matched in this order.
    pub fn two_aligned(&mut self, method: &Method, first: usize, second: usize) -> (StageId, [usize; 2]) {
        if method.matching.is_joint() {
            return match &method.models {
                None => (self.all_aligned(method), [first, second]),
                Some(models) => {
                    let place = |model: usize| models.iter().position(|&other| other == model).unwrap_or_default();
                    (self.merge_aligned(method, &MergeSet::Chosen(models.clone())), [place(first), place(second)])
                }
            };
        }
        let names = self.names(&[first, second]);
        (self.alignment(method, &[first, second], &names.path(), &names.hyphenated()), [0, 1])
    }

    /// The alignment that a merge uses.
    pub(super) fn merge_aligned(&mut self, method: &Method, set: &MergeSet) -> StageId {
        let models = set.models();
        match set {
            MergeSet::ChosenJointly(_) => self.all_aligned(method),
            MergeSet::First(count) => self.alignment(method, &models, &count.to_string(), ""),
            MergeSet::Chosen(_) => {
                let names = self.names(&models).sum();
                self.alignment(method, &models, &names, &names)
            }
        }
    }

    /// What the alignment of some models draws from. No name of a method: two methods that match alike draw alike.
    pub fn matching_stream(&self, method: &Method, models: &str) -> Stream {
        let stream = self.stream().child("align").child(models);
        // The first draw is the one that a method has without any draws.
        match method.name.draw {
            Some(draw) if draw > 1 => stream.child(format!("seed-{draw}")),
            _ => stream,
        }
    }

    /// The moments of the activations of all models, planned once for all methods that look at the same.
    fn moments(&mut self, method: &Method, activations: Activations) -> StageId {
        let draw = method.name.draw.filter(|&draw| activations.drawn && draw > 1);
        let layers = method.matching.needs_layers();
        let behind = if layers { "/layers" } else { "" };
        let draws = draw.map(|draw| format!("/seed-{draw}")).unwrap_or_default();
        let id = self.id("moments", None, &format!("{}{behind}{draws}", described(activations)));
        if self.is_new(&id) {
            let stream = self.stream().child("moments");
            let stream = draw.map_or(stream.clone(), |draw| stream.child(format!("seed-{draw}")));
            let moments = MomentsStage::new(id.clone(), self.all_models(), self.task(), activations, stream);
            self.add(if layers { moments.of_layers_too() } else { moments });
        }
        id
    }

    /// The alignment of some models: `path` ends the name of its stage, `names` tells its rows from those of the first models.
    fn alignment(&mut self, method: &Method, models: &[usize], path: &str, names: &str) -> StageId {
        let id = self.id("align", Some(method), path);
        if !self.is_new(&id) {
            return id;
        }
        let trained = models.iter().map(|&index| self.model(index)).collect();
        let stream = self.matching_stream(method, if names.is_empty() { path } else { names });
        let align = Align::new(id.clone(), trained, self.task_of(models[0]), onto_reference(&method.matching, models), stream);
        let align = match method.matching.needs() {
            None => align,
            Some(activations) => align.with_moments(self.moments(method, activations), models.to_vec()),
        };
        self.add(align);
        let key = self.key(Some(method));
        self.note_alignment(PlannedAlignment { stage: id.clone(), key, models: models.len(), names: names.to_owned() });
        id
    }
}

/// What activations are, as names of stages say it: `after-relu`, with `/all-tensors` and `/images-1000` or `/drawn-1000` behind it.
fn described(Activations { tap, stream, images, drawn }: Activations) -> String {
    let tap = match tap {
        Tap::AfterRelu => "after-relu",
        Tap::BeforeRelu => "before-relu",
    };
    let stream = match stream {
        StreamTaps::Last => "",
        StreamTaps::All => "/all-tensors",
    };
    let how = if drawn { "drawn" } else { "images" };
    let images = images.map(|images| format!("/{how}-{images}")).unwrap_or_default();
    format!("{tap}{stream}{images}")
}

/// The matching of some models, given by index: its reference as a place among them, or their first where it is not one of them.
fn onto_reference(matching: &Matching, models: &[usize]) -> Matching {
    match matching.reference() {
        // The first model is what nobody needs to ask for: whichever comes first stands for it.
        None | Some(0) => matching.clone(),
        Some(reference) => matching.clone().with_reference(models.iter().position(|&model| model == reference).unwrap_or(0)),
    }
}
