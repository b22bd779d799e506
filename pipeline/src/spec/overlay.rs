//! How a layer lies over the ones below: tables key by key, elements of lists by name, everything else as a whole.

use figment::value::Value;

/// A layer names an element that a list does not have.
#[derive(Debug)]
pub struct Unreached {
    /// The list, and the name that it does not have.
    pub path: Vec<String>,
    /// The names that it has; its elements' numbers where they have no names.
    pub known: Vec<String>,
    /// How many elements have the name.
    pub count: usize,
}

/// Lays `over` on `base`. A table keeps the tag of the lowest layer that has it.
///
/// # Errors
/// A table lies over a list, and one of its keys is no element of the list.
pub fn lay(base: Value, over: Value) -> Result<Value, Unreached> {
    within(base, over, &mut Vec::new())
}

fn within(base: Value, over: Value, here: &mut Vec<String>) -> Result<Value, Unreached> {
    match (base, over) {
        (Value::Dict(tag, mut below), Value::Dict(_, above)) => {
            for (key, value) in above {
                let merged = match below.remove(&key) {
                    Some(old) => inside(&key, old, value, here)?,
                    None => value,
                };
                below.insert(key, merged);
            }
            Ok(Value::Dict(tag, below))
        }
        (Value::Array(tag, mut items), Value::Dict(_, above)) => {
            for (key, value) in above {
                let index = element(&items, &key).map_err(|count| Unreached {
                    path: here.iter().cloned().chain([key.clone()]).collect(),
                    known: names(&items),
                    count,
                })?;
                let old = std::mem::replace(&mut items[index], Value::from(false));
                items[index] = inside(&key, old, value, here)?;
            }
            Ok(Value::Array(tag, items))
        }
        (_, over) => Ok(over),
    }
}

fn inside(key: &str, old: Value, new: Value, here: &mut Vec<String>) -> Result<Value, Unreached> {
    here.push(key.to_owned());
    let merged = within(old, new, here);
    here.pop();
    merged
}

/// The value that the steps of a key path lead to, elements of lists by name or number.
pub fn reached<'a>(whole: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(whole, |here, step| match here {
        Value::Dict(_, entries) => entries.get(step),
        Value::Array(_, items) => element(items, step).ok().map(|index| &items[index]),
        _ => None,
    })
}

/// The same path with numbers for the names of elements, as far as there are any.
pub fn numbered(whole: &Value, steps: &[String]) -> Vec<String> {
    let mut path: Vec<String> = Vec::with_capacity(steps.len());
    for step in steps {
        let number = match reached(whole, &path) {
            Some(Value::Array(_, items)) => element(items, step).ok().map(|index| index.to_string()),
            _ => None,
        };
        path.push(number.unwrap_or_else(|| step.clone()));
    }
    path
}

/// The index of the element that a key means: by its name, else by its number from 0. The error is how many elements have the name.
pub fn element(items: &[Value], key: &str) -> Result<usize, usize> {
    let named: Vec<usize> = (0..items.len()).filter(|&index| name(&items[index]).as_deref() == Some(key)).collect();
    match named.as_slice() {
        [index] => Ok(*index),
        [] => key.parse().ok().filter(|&index: &usize| index < items.len()).ok_or(0),
        several => Err(several.len()),
    }
}

/// What an element is called: its `name`; a pair by its data set and its architecture.
fn name(item: &Value) -> Option<String> {
    let entries = item.as_dict()?;
    let text = |key: &str| entries.get(key).and_then(Value::as_str);
    match text("name") {
        Some(name) => Some(name.to_owned()),
        None => Some(format!("{}-{}", text("dataset")?, text("architecture")?)),
    }
}

fn names(items: &[Value]) -> Vec<String> {
    items.iter().enumerate().map(|(index, item)| name(item).unwrap_or_else(|| index.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use figment::value::Value;

    use super::super::text::Text;
    use super::*;

    fn laid(base: &str, over: &str) -> Result<Value, Unreached> {
        lay(Text::value(base).unwrap(), Text::value(over).unwrap())
    }

    fn same(base: &str, over: &str, merged: &str) {
        let (laid, merged) = (laid(base, over).unwrap(), Text::value(merged).unwrap());
        assert_eq!(format!("{laid:?}"), format!("{merged:?}"));
    }

    #[test]
    fn tables_merge_key_by_key_and_lists_are_replaced_as_a_whole() {
        same("{ a = { b = 1, c = 2 } }", "{ a = { b = 3 } }", "{ a = { b = 3, c = 2 } }");
        same("{ a = [1, 2] }", "{ a = [3] }", "{ a = [3] }");
    }

    #[test]
    fn a_table_over_a_list_reaches_its_elements_by_name_and_by_number() {
        same(
            "{ m = [{ name = \"x\", a = 1 }, { name = \"y\" }] }",
            "{ m = { x = { b = 2 }, 1 = { c = 3 } } }",
            "{ m = [{ name = \"x\", a = 1, b = 2 }, { name = \"y\", c = 3 }] }",
        );
        same("[{ dataset = \"d\", architecture = \"e\" }]", "{ d-e = { f = 1 } }", "[{ dataset = \"d\", architecture = \"e\", f = 1 }]");
        same("[[1, 2], 3]", "{ 0 = { 1 = 5 }, 1 = 4 }", "[[1, 5], 4]");
    }

    #[test]
    fn an_element_that_is_not_there_is_told_with_those_that_are() {
        let Unreached { path, known, count } = laid("{ m = [{ name = \"x\" }] }", "{ m = { z = { a = 1 } } }").unwrap_err();
        assert_eq!((path, known, count), (vec!["m".to_owned(), "z".to_owned()], vec!["x".to_owned()], 0));
        assert_eq!(laid("[{ name = \"x\" }, { name = \"x\" }]", "{ x = { a = 1 } }").unwrap_err().count, 2);
        assert_eq!(laid("[1]", "{ 1 = 2 }").unwrap_err().known, ["0"]);
    }
}
