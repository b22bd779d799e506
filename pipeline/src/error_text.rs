//! Errors as text for a person.

/// An error with its causes, one to a line, hints last.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    for (depth, cause) in error.chain().enumerate() {
        let mut lead = if depth == 0 { "error: " } else { "  because " };
        for line in cause.to_string().lines() {
            if line.trim_start().starts_with("hint:") {
                hints.push(line.trim_start().to_owned());
            } else {
                lines.push(format!("{lead}{line}"));
                lead = "";
            }
        }
    }
    lines.extend(hints);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_their_error_and_hints_come_last() {
        let error = anyhow::anyhow!("`x` is too large\nhint: try a smaller one").context("cannot plan\nhint: look at the spec");
        assert_eq!(error_text(&error), "error: cannot plan\n  because `x` is too large\nhint: look at the spec\nhint: try a smaller one");
    }
}
