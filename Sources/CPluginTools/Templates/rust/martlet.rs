//! What this filter needs of martlet.h, in Rust. The tables grow at their ends only, so a part of one
//! from its beginning is enough to read it; entries between that nobody here calls are left as space.

use std::ffi::{c_char, c_void};

pub type Handle = u64;
pub type Status = i32;
pub const OK: Status = 0;
pub const E_ARGUMENT: Status = -2;
pub const E_NOT_FOUND: Status = -4;
pub const CONTINUE: Status = 0;
pub const RESPONSE_HEADERS: i32 = 2;
pub const COUNTER: i32 = 0;
pub const ABI_MINOR: u32 = 0;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    data: *const u8,
    size: usize,
}

impl Bytes {
    pub const EMPTY: Bytes = Bytes { data: std::ptr::null(), size: 0 };

    pub fn new(bytes: &[u8]) -> Bytes {
        Bytes { data: bytes.as_ptr(), size: bytes.len() }
    }

    /// # Safety
    /// The bytes must live as long as the host says where it gives them.
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        if self.size == 0 {
            return &[];
        }
        std::slice::from_raw_parts(self.data, self.size)
    }
}

#[repr(C)]
pub struct Host {
    pub size: u32,
    pub abi_minor: u32,
    pub version: *const c_char,
    pub plugin: Handle,
    pub query: unsafe extern "C" fn(id: *const c_char) -> *const c_void,
}

#[repr(C)]
pub struct HostConfig {
    pub size: u32,
    pub error: unsafe extern "C" fn(config: Handle, path: Bytes, message: Bytes) -> Status,
    unused_before_header: usize, // warning
    pub header: unsafe extern "C" fn(config: Handle, name: Bytes, out: *mut u32) -> Status,
    pub format: unsafe extern "C" fn(config: Handle, path: Bytes, text: Bytes, out: *mut u32) -> Status,
    unused_before_metric: [usize; 2], // regex, runtime
    pub metric: unsafe extern "C" fn(
        config: Handle, kind: i32, name: Bytes, relative: bool, labels: *const Bytes, count: usize,
        out: *mut u32,
    ) -> Status,
}

#[repr(C)]
pub struct HostMetrics {
    pub size: u32,
    pub add: unsafe extern "C" fn(handle: Handle, metric: u32, amount: u64) -> Status,
}

#[repr(C)]
pub struct HostText {
    pub size: u32,
    pub format: unsafe extern "C" fn(stream: Handle, format: u32, out: *mut Bytes) -> Status,
}

#[repr(C)]
pub struct HostHttp {
    pub size: u32,
    unused: [usize; 9], // header_count to header_get_by_id
    pub header_set_by_id: unsafe extern "C" fn(stream: Handle, map: i32, header: u32, value: Bytes) -> Status,
}

#[repr(C)]
pub struct FilterConfig {
    pub size: u32,
    pub encoding: i32,
    pub name: Bytes,
    pub type_name: Bytes,
    pub bytes: Bytes,
}

#[repr(C)]
pub struct FilterInfo {
    pub size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub type_names: *const *const c_char,
    pub route_type_names: *const *const c_char,
    pub descriptors: Bytes,
}

/// A hook that this filter does not have: NULL.
pub type NoHook = Option<unsafe extern "C" fn()>;

#[repr(C)]
pub struct HttpFilter {
    pub size: u32,
    pub info: *const FilterInfo,
    pub config_create:
        unsafe extern "C" fn(config: Handle, given: *const FilterConfig, out: *mut *mut c_void) -> Status,
    pub config_destroy: unsafe extern "C" fn(config: *mut c_void),
    pub route_config_create: NoHook,
    pub route_config_destroy: NoHook,
    pub on_config_timer: NoHook,
    pub on_config_wake: NoHook,
    pub worker_create: NoHook,
    pub worker_destroy: NoHook,
    pub on_worker_timer: NoHook,
    pub on_worker_wake: NoHook,
    pub create: unsafe extern "C" fn(
        config: *mut c_void, worker: *mut c_void, http: *const HostHttp, stream: Handle,
    ) -> *mut c_void,
    pub on_request_headers: NoHook,
    pub on_request_body: NoHook,
    pub on_request_trailers: NoHook,
    pub on_response_headers: unsafe extern "C" fn(filter: *mut c_void, end: bool) -> Status,
    pub on_response_body: NoHook,
    pub on_response_trailers: NoHook,
    pub on_back_pressure: NoHook,
    pub on_timer: NoHook,
    pub on_wake: NoHook,
    pub on_complete: NoHook,
    pub destroy: unsafe extern "C" fn(filter: *mut c_void),
}

#[repr(C)]
pub struct HttpFilterList {
    pub size: u32,
    pub count: u32,
    pub filters: *const &'static HttpFilter,
}

#[repr(C)]
pub struct Plugin {
    pub size: u32,
    pub abi_minor: u32,
    pub id: *const c_char,
    pub version: *const c_char,
    pub open: unsafe extern "C" fn(host: *const Host) -> Status,
    pub close: NoHook,
    pub query: unsafe extern "C" fn(id: *const c_char) -> *const c_void,
}
