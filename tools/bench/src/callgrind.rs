//! Reads the profile that callgrind writes, as far as needed: the cost of each object (program or library) without the functions
//! that it calls.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// Instructions by path of the object.
pub fn self_cost(profile: &str) -> Result<BTreeMap<String, u64>> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut costs: BTreeMap<String, u64> = BTreeMap::new();
    let mut object = "";
    // The line after `calls=` is the cost of the callee, which has its own lines.
    let mut of_callee = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            object = resolve(name, &mut names)?;
        } else if let Some(name) = line.strip_prefix("cob=") {
            resolve(name, &mut names)?;
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            if std::mem::take(&mut of_callee) {
                continue;
            }
            let cost = line
                .split_whitespace()
                .nth(1)
                .with_context(|| format!("no cost in {line:?}"))?;
            *costs.entry(object.to_string()).or_default() += cost.parse::<u64>()?;
        }
    }
    if costs.is_empty() {
        bail!("the profile is empty: the measured region was not entered");
    }
    Ok(costs)
}

/// A name appears as `(number) name` first, then as `(number)`.
fn resolve<'a>(text: &'a str, names: &mut BTreeMap<&'a str, &'a str>) -> Result<&'a str> {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            Ok(name)
        }
        None => names
            .get(text)
            .copied()
            .with_context(|| format!("name {text} was never given")),
    }
}

#[cfg(test)]
mod tests {
    use super::self_cost;

    #[test]
    fn only_self_cost_counts_and_names_are_remembered() {
        let profile = "version: 1\nevents: Ir\n\nob=(1) /bench\nfl=(1) a.rs\nfn=(1) main\n16 100\n\
            cob=(2) /lib.so\ncfi=(2) b.c\ncfn=(2) send\ncalls=3 50\n+1 900\n* 5\n\n\
            ob=(2)\nfl=(2)\nfn=(2)\n50 700\n-3 200\n\ntotals: 1005\n";
        let costs = self_cost(profile).expect("well formed");
        assert_eq!(costs.get("/bench"), Some(&105));
        assert_eq!(costs.get("/lib.so"), Some(&900));
        assert!(self_cost("events: Ir\n").is_err());
        assert!(self_cost("ob=(9)\n1 1\n").is_err());
    }
}
