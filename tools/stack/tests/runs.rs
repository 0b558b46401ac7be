//! The tool measures every peer that this machine has, for a second each.

use std::process::Command;

#[test]
fn each_peer_moves_bytes_and_echoes() {
    for (work, column) in [("bulk, 1", 2), ("echo", 2)] {
        let output = Command::new(env!("CARGO_BIN_EXE_kcp-stack"))
            .args(["--rounds", "1", "--seconds", "1", "--work", work])
            .output()
            .expect("the tool");
        let table = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let rows: Vec<&str> = table
            .lines()
            .filter(|line| line.starts_with("| "))
            .collect();
        // The head, the stack, and the two peers that are part of the tool.
        assert!(rows.len() >= 4, "{table}{said}");
        for row in &rows[1..] {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let rate: f64 = cells[column + 1].parse().expect(row);
            assert!(rate > 1.0, "{row}");
        }
    }
}
