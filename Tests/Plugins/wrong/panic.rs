//! A5: a panic leaves a hook.
#[path = "../../../Sources/CPluginTools/Templates/rust/martlet.rs"]
#[allow(dead_code)]
mod martlet;

use martlet::*;
use std::ffi::{c_char, c_void, CStr};

unsafe extern "C" fn config_create(_: Handle, given: *const FilterConfig, out: *mut *mut c_void) -> Status {
    if (*given).bytes.get().len() > 2 {
        return E_ARGUMENT;
    }
    *out = std::ptr::null_mut();
    OK
}
unsafe extern "C" fn config_destroy(_: *mut c_void) {}
unsafe extern "C" fn create(_: *mut c_void, _: *mut c_void, _: *const HostHttp, _: Handle) -> *mut c_void {
    Box::into_raw(Box::new(1u8)).cast()
}
unsafe extern "C" fn on_response_headers(_: *mut c_void, _: bool) -> Status {
    panic!("no such thing")
}
unsafe extern "C" fn destroy(filter: *mut c_void) {
    drop(Box::from_raw(filter.cast::<u8>()));
}

struct Table<T>(T);
unsafe impl<T> Sync for Table<T> {}
static TYPES: Table<[*const c_char; 2]> = Table([c"com.example.Wrong".as_ptr(), std::ptr::null()]);
static INFO: Table<FilterInfo> = Table(FilterInfo {
    size: size_of::<FilterInfo>() as u32,
    flags: 0,
    name: c"com.example.wrong".as_ptr(),
    type_names: &TYPES.0 as *const *const c_char,
    route_type_names: std::ptr::null(),
    descriptors: Bytes::EMPTY,
});
static WRONG: Table<HttpFilter> = Table(HttpFilter {
    size: size_of::<HttpFilter>() as u32,
    info: &INFO.0,
    config_create,
    config_destroy,
    route_config_create: None,
    route_config_destroy: None,
    on_config_timer: None,
    on_config_wake: None,
    worker_create: None,
    worker_destroy: None,
    on_worker_timer: None,
    on_worker_wake: None,
    create,
    on_request_headers: None,
    on_request_body: None,
    on_request_trailers: None,
    on_response_headers,
    on_response_body: None,
    on_response_trailers: None,
    on_back_pressure: None,
    on_timer: None,
    on_wake: None,
    on_complete: None,
    destroy,
});
static FILTERS: [&Table<HttpFilter>; 1] = [&WRONG];
static LIST: Table<HttpFilterList> =
    Table(HttpFilterList { size: size_of::<HttpFilterList>() as u32, count: 1, filters: FILTERS.as_ptr().cast() });
unsafe extern "C" fn open(_: *const Host) -> Status {
    OK
}
unsafe extern "C" fn query(id: *const c_char) -> *const c_void {
    let is_http = CStr::from_ptr(id) == c"martlet.plugin.http_filter/1";
    if is_http { (&LIST.0 as *const HttpFilterList).cast() } else { std::ptr::null() }
}
static PLUGIN: Table<Plugin> = Table(Plugin {
    size: size_of::<Plugin>() as u32,
    abi_minor: ABI_MINOR,
    id: c"com.example.wrong".as_ptr(),
    version: c"1.0.0".as_ptr(),
    open,
    close: None,
    query,
});

#[no_mangle]
pub extern "C" fn martlet_plugin_v1(_: u32) -> *const Plugin {
    &PLUGIN.0
}
