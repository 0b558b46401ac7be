//! CPU time of the process, and bytes that went over the loopback interface of its network namespace.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};

#[derive(Clone, Copy)]
pub struct Usage {
    pub user: Duration,
    pub system: Duration,
    /// Including the headers of UDP, IP and the interface (42 bytes per packet).
    pub bytes: u64,
}

impl Usage {
    pub fn now() -> Result<Usage> {
        // SAFETY: the struct may be all zeros, and the call fills it.
        let usage = unsafe {
            let mut usage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            usage
        };
        let duration = |time: libc::timeval| {
            Duration::new(time.tv_sec as u64, 0) + Duration::from_micros(time.tv_usec as u64)
        };
        let devices = fs::read_to_string("/proc/self/net/dev")?;
        let bytes = devices
            .lines()
            .find_map(|line| line.trim().strip_prefix("lo:")?.split_whitespace().next())
            .context("no loopback interface")?;
        Ok(Usage {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            bytes: bytes.parse()?,
        })
    }

    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, before: Usage) -> Usage {
        Usage {
            user: self.user - before.user,
            system: self.system - before.system,
            bytes: self.bytes - before.bytes,
        }
    }
}
