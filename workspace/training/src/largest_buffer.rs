//! Whether a training fits a device that bounds the size of its buffers: better told before the first step than where a result is read.

use onebasin_network::{Graph, Node, Operation};

use crate::{Device, TrainingError};

/// Looks at the outputs of all layers for one batch, and at all parameters, which an update has in one vector.
///
/// Workspaces of kernels are not known here; what they want in excess is told by the device.
///
/// # Errors
/// Names the largest that does not fit.
pub(crate) fn check(graph: &Graph, batch: usize, device: &Device) -> Result<(), TrainingError> {
    match device.largest_buffer() {
        Some(largest) => fits(graph, batch, largest, device),
        None => Ok(()),
    }
}

fn fits(graph: &Graph, batch: usize, largest: u64, device: &Device) -> Result<(), TrainingError> {
    let refused = |what: String, bytes: u64, hint| Err(TrainingError::BufferTooLarge { what, bytes, largest, device: device.name(), hint });
    let output = |node: &Node| (size_of::<f32>() * batch * node.shape.channels * node.shape.pixels()) as u64;
    // Of several that are as large, the first.
    if let Some(node) = graph.nodes.iter().rev().max_by_key(|node| output(node)).filter(|node| output(node) > largest) {
        let whose = if node.operation == Operation::Input { String::new() } else { format!("the output of layer `{}` for ", node.name) };
        let what = format!("{whose}a batch of {batch} images");
        return refused(what, output(node), "choose a smaller `batch`, or `--device cpu`");
    }
    let parameters = (size_of::<f32>() * graph.parameter_count()) as u64;
    if parameters > largest {
        return refused("the vector of all parameters".to_owned(), parameters, "choose a smaller network, or `--device cpu`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_and_a_network_that_no_buffer_holds_are_refused_with_what_they_need() {
        let architecture =
            r#"{ "input": [1, 28, 28], "classes": 10, "layers": [{ "op": "flatten" }, { "op": "linear", "out": "classes" }] }"#;
        let graph = Graph::build(&serde_json::from_str(architecture).unwrap()).unwrap();
        let device = Device::select("cpu").unwrap();
        let said = |batch, largest| fits(&graph, batch, largest, &device).unwrap_err().to_string();
        // 784 floats an image; 7850 parameters.
        assert!(fits(&graph, 100, 313_600, &device).is_ok());
        let message = said(101, 313_600);
        assert!(message.starts_with("a batch of 101 images needs 316736 bytes in one buffer"), "{message}");
        assert!(message.contains("expected at most 313600, the largest of device `cpu`\nhint: choose a smaller `batch`"), "{message}");
        let message = said(1, 31_399);
        assert!(message.starts_with("the vector of all parameters needs 31400 bytes in one buffer"), "{message}");
        assert!(check(&graph, usize::MAX >> 20, &device).is_ok(), "the processor has no such bound");
    }
}
