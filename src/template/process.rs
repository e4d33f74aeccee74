//! This machine and this process, as templates name them: [`this_process`].

use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Identity;

/// This machine and this process, as templates name them.
pub fn this_process() -> Arc<Identity> {
    static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let host_id = std::fs::read_to_string("/etc/machine-id")
            .ok()
            .and_then(|id| u32::from_str_radix(id.get(..8)?, 16).ok())
            .unwrap_or_default();
        Arc::new(Identity {
            host,
            host_id,
            run_id: now.as_secs() as u32,
            started_micros: now.as_micros() as i64,
        })
    });
    Arc::clone(&IDENTITY)
}
