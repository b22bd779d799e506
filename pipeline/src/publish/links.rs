//! Links from `table.md` to the pictures, wherever both are published.

use std::path::{Component, Path, absolute};

/// The text of a table with a section of links to these pictures, which lie in the folder `plots`, the table in `results`.
pub fn with_links<'a>(table: &str, pictures: impl Iterator<Item = &'a str>, results: &Path, plots: &Path) -> String {
    let folder = relative(results, plots);
    let link = |name: &str| {
        let stem = name.strip_suffix(".svg")?;
        let target = format!("{folder}/{name}");
        // Markdown ends a bare target at a space.
        Some(if target.contains([' ', '(', ')']) { format!("- [{stem}](<{target}>)\n") } else { format!("- [{stem}]({target})\n") })
    };
    let links: String = pictures.filter_map(link).collect();
    if links.is_empty() { table.to_owned() } else { format!("{table}\n## Pictures\n\n{links}") }
}

/// The way from one folder to another.
pub fn relative(from: &Path, to: &Path) -> String {
    let parts = |path: &Path| -> Vec<String> {
        let whole = absolute(path).unwrap_or_else(|_| path.to_owned());
        let named = whole.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
        named.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let (from, to) = (parts(from), parts(to));
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from[shared..].iter().map(|_| "..".to_owned());
    let way: Vec<String> = up.chain(to[shared..].iter().cloned()).collect();
    if way.is_empty() { ".".to_owned() } else { way.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_table_to_each_picture_once() {
        let of = |results: &str, plots: &str| {
            let pictures = ["merged-a.png", "merged-a.svg"];
            with_links("# a\n", pictures.into_iter(), Path::new(results), Path::new(plots))
        };
        assert_eq!(of("results/a", "plots/a"), "# a\n\n## Pictures\n\n- [merged-a](../../plots/a/merged-a.svg)\n");
        assert_eq!(of("/x/a", "/x/a"), "# a\n\n## Pictures\n\n- [merged-a](./merged-a.svg)\n");
        assert_eq!(of("/x/a", "/y (1)"), "# a\n\n## Pictures\n\n- [merged-a](<../../y (1)/merged-a.svg>)\n");
        assert_eq!(with_links("# a\n", std::iter::empty(), Path::new("a"), Path::new("b")), "# a\n");
    }
}
