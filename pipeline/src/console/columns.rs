//! Rows of cells as text, each column as wide as its widest cell.

/// Rows with two spaces between columns and none at the end of a line.
///
/// Widths count characters. They are filled by hand: `format!` gives up on cells of more than 65 535.
pub fn columns<R: AsRef<[String]>>(rows: &[R]) -> Vec<String> {
    let width = |cell: &String| cell.chars().count();
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.as_ref().len()), 0);
        widths.iter_mut().zip(row.as_ref()).for_each(|(widest, cell)| *widest = width(cell).max(*widest));
    }
    let line = |row: &R| {
        let mut line = String::new();
        for (cell, &wanted) in row.as_ref().iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wanted - width(cell) + 2));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_however_wide_that_is() {
        let rows = [["a", "b", ""], ["long", "é", "c"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["a     b", "long  é  c"]);
        let rows = [["x".repeat(70_000), "y".to_owned()], [String::new(), "z".to_owned()]];
        assert_eq!(columns(&rows)[1].len(), 70_003);
    }
}
