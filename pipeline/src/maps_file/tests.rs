use onebasin_network::{Blueprint, Shape};

use super::*;

fn graph(blueprint: &str, input: Shape) -> Graph {
    let blueprint: Blueprint = serde_json::from_str(blueprint).unwrap();
    Graph::build(&blueprint.build(input, 10).unwrap()).unwrap()
}

fn read(text: &str, models: usize) -> Result<Vec<Vec<Vec<u32>>>, String> {
    let graph = graph(r#"{"family": "mlp", "hidden": [3, 2]}"#, Shape::new(4, 1, 1));
    let names: Vec<String> = ["a.pt", "b.pt", "c.pt"][..models].iter().map(|&name| name.to_owned()).collect();
    let maps = parse(&serde_json::from_str(text).unwrap(), graph.spec(), &names).map_err(|error| format!("{error:#}"))?;
    Ok(maps.iter().map(|maps| maps.iter().map(|map| map.as_slice().to_vec()).collect()).collect())
}

#[test]
fn maps_of_this_program_and_of_others_are_read_in_their_direction() {
    let turned = vec![vec![1, 2, 0], vec![1, 0]];
    let same = vec![vec![0, 1, 2], vec![0, 1]];
    let both = Ok(vec![same.clone(), turned.clone()]);
    assert_eq!(read(r#"{"models": [{"fc1": [0,1,2], "fc2": [0,1]}, {"fc1": [1,2,0], "fc2": [1,0]}]}"#, 2), both);
    assert_eq!(read(r#"{"P_0": [1,2,0], "P_1": [1,0]}"#, 2), both);
    assert_eq!(read(r#"{"a": {"b": {"P_0": [1,2,0], "P_1": [1,0]}}}"#, 2), both);
    let universe = read(r#"{"a": {"P_0": [0,1,2], "P_1": [0,1]}, "b": {"P_0": [2,0,1], "P_1": [1,0]}}"#, 2);
    assert_eq!(universe, Ok(vec![same, turned]));
}

#[test]
fn models_go_by_the_names_of_their_files_whatever_the_order_of_either() {
    let [same, turned] = [r#"{"P_0": [0,1,2], "P_1": [0,1]}"#, r#"{"P_0": [2,0,1], "P_1": [1,0]}"#];
    let first = |text: String| read(&text, 3).map(|maps| maps.iter().map(|maps| maps[0][0]).collect::<Vec<u32>>());
    let universe = |names: [&str; 3]| first(format!(r#"{{"{}": {turned}, "{}": {same}, "{}": {same}}}"#, names[0], names[1], names[2]));
    assert_eq!(universe(["b", "c", "a"]), Ok(vec![0, 1, 0]));
    assert_eq!(universe(["b.pt", "c.pt", "a.pt"]), Ok(vec![0, 1, 0]));
    assert_eq!(universe(["x", "y", "z"]), Ok(vec![1, 0, 0]), "no name is a file's");
    let error = universe(["a", "b", "z"]).unwrap_err();
    assert!(error.contains("they are of `a`, `b`, `z`, and none of these is `c.pt`\nhint: "), "{error}");
    let pairs = first(format!(r#"{{"c": {{"b": {turned}}}, "a": {{"c": {same}}}}}"#));
    assert_eq!(pairs, Ok(vec![0, 2, 0]), "the first file is the frame");
}

#[test]
fn pairs_both_ways_are_one_frame_where_they_fit_each_other() {
    let (turned, back) = (r#"{"P_0": [1,2,0], "P_1": [1,0]}"#, r#"{"P_0": [2,0,1], "P_1": [1,0]}"#);
    let both = |back: &str| read(&format!(r#"{{"a": {{"b": {turned}}}, "b": {{"a": {back}}}}}"#), 2);
    assert_eq!(both(back), Ok(vec![vec![vec![0, 1, 2], vec![0, 1]], vec![vec![1, 2, 0], vec![1, 0]]]));
    let error = both(turned).unwrap_err();
    assert!(error.contains("of `a` onto `b` are not those that the others come to") && error.contains("hint"), "{error}");
    // Three models by two pairs: the third through the second.
    let chained = read(&format!(r#"{{"a": {{"b": {turned}}}, "b": {{"c": {turned}}}}}"#), 3).unwrap();
    assert_eq!(chained[2][0], [2, 0, 1]);
    assert!(read(&format!(r#"{{"a": {{"b": {turned}}}}}"#), 3).unwrap_err().contains("between 2 models, expected 3"));
}

#[test]
fn streams_and_the_inside_of_blocks_of_residual_networks_are_told_apart_by_other_names() {
    let graph = graph(r#"{"family": "resnet", "depth": 8, "width": 2, "norm": "layer"}"#, Shape::new(3, 8, 8));
    let spec = graph.spec();
    let names =
        ["P_bg0", "P_bg1", "P_bg2", "P_blockgroups_0/blocks_0_inner", "P_blockgroups_1/blocks_0_inner", "P_blockgroups_2/blocks_0_inner"];
    let maps: Map<String, Value> = names.map(|name| (name.to_owned(), Value::Null)).into_iter().collect();
    let found: Vec<(&str, &str)> =
        spec.groups.iter().map(|group| group.name.as_str()).zip(others(&maps, spec).into_iter().map(String::as_str)).collect();
    assert_eq!(
        found,
        [
            ("stem.conv", names[0]),
            ("stage1.block1.conv1", names[3]),
            ("stage2.block1.conv1", names[4]),
            ("stage2.block1.conv2", names[1]),
            ("stage3.block1.conv1", names[5]),
            ("stage3.block1.conv2", names[2]),
        ]
    );
}

#[test]
fn maps_are_of_the_models_that_they_were_made_of() {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let maps = json!({ "files": ["one/net.pt", "two/net.pt"], "digests": ["1", "2"], "direction": DIRECTION });
    let of =
        |maps: &Value, names: &[&str], digests: &[&str]| of_these(maps, &texts(names), &texts(digests)).map_err(|error| error.to_string());
    assert_eq!(of(&maps, &["x.pt", "y.pt"], &["1", "2"]), Ok(vec![]), "whatever they are called");
    assert!(
        of(&maps, &["two/net.pt", "one/net.pt"], &["2", "1"]).unwrap_err().starts_with("they are of one/net.pt, two/net.pt, in this order")
    );
    assert_eq!(of(&maps, &["one/net.pt", "z.pt"], &["1", "3"]), Ok(texts(&["z.pt"])));
    // Maps of other programs, or of an earlier version, have names alone.
    let named = json!({ "files": ["a.pt", "b.pt"] });
    assert!(of(&named, &["b.pt", "a.pt"], &["2", "1"]).is_err());
    assert_eq!(of(&named, &["b.pt", "c.pt"], &["2", "1"]), Ok(vec![]));
    let back = json!({ "direction": "w[p[i]]" });
    assert!(of(&back, &["a.pt", "b.pt"], &["1", "2"]).unwrap_err().starts_with("their direction is \"w[p[i]]\", expected"));
}

#[test]
fn maps_that_are_none_are_refused_by_group_and_place() {
    let refused = |text: &str| read(text, 2).unwrap_err();
    let ours = |fc1: &str, fc2: &str| refused(&format!(r#"[{{"fc1": {fc1}, "fc2": {fc2}}}, {{"fc1": [0,1,2], "fc2": [0,1]}}]"#));
    assert!(ours("[0,1,1]", "[0,1]").contains("group `fc1`: the 3 indices are not a permutation: `1` comes a second time in slot 2"));
    assert!(ours("[0,1,2]", "[0,2]").contains("group `fc2`: the 2 indices are not a permutation: slot 1 holds `2`"));
    assert!(ours("[0,1]", "[0,1]").contains("group `fc1`: 2 indices, expected 3"));
    assert!(ours("[0,1,-1]", "[0,1]").contains("group `fc1`: slot 2 holds `-1`"));
    let input = refused(r#"[{"fc1": [0,1,2], "fc2": [0,1], "input": [1,0]}, {}]"#);
    assert!(input.contains("model `a.pt`") && input.contains("`input` is no group") && input.contains("never permuted"), "{input}");
    assert!(refused(r#"[{"fc1": [0,1,2]}, {}]"#).contains("group `fc2` has no permutation"));
    assert!(refused("[]").contains("0 models, expected 2"));
}
