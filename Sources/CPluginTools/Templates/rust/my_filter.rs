//! The filter com.example.my_filter: sets a header on every response and counts how often.
//!
//! ```yaml
//! name: com.example.my_filter
//! typed_config:
//!   "@type": type.googleapis.com/com.example.MyFilter
//!   header: x-my-filter          # required
//!   value: "hello, %PROTOCOL%"   # required; Envoy's format operators work
//! ```
//!
//! The counter is `<stat prefix>my_filter.served`. No panic may leave a function that the host calls:
//! `guarded` is around each.

mod martlet;

use martlet::*;
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

/// The host's services, found when the plugin is opened.
struct Services {
    config: &'static HostConfig,
    metrics: &'static HostMetrics,
    text: &'static HostText,
}

static SERVICES: OnceLock<Services> = OnceLock::new();

fn services() -> &'static Services {
    SERVICES.get().expect("the host opens a plugin before it uses it")
}

/// Calls `body`; where it panics, the result is `otherwise`.
fn guarded<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

// ---- Configuration: read once, on the control thread; all workers read what comes of it.

/// The host's numbers for the header's name, the format and the counter.
#[derive(Default)]
struct Settings {
    header: u32,
    value: u32,
    served: u32,
}

/// Takes a JSON text without escapes from the front of `rest`.
fn take_text<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let inside = rest.trim_start().strip_prefix('"')?;
    let end = inside.find(['"', '\\']).filter(|end| inside.as_bytes()[*end] == b'"')?;
    *rest = &inside[end + 1..];
    Some(&inside[..end])
}

fn take(rest: &mut &str, expected: char) -> bool {
    match rest.trim_start().strip_prefix(expected) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

/// Reads a flat JSON object: the header and the value. An error is the path of the field and why.
fn parse(json: &str) -> Result<(&str, &str), (&str, &str)> {
    let (mut header, mut value, mut rest) = ("", "", json);
    if !take(&mut rest, '{') {
        return Err(("", "expected an object"));
    }
    if !take(&mut rest, '}') {
        loop {
            let name = take_text(&mut rest).ok_or(("", "this is not JSON"))?;
            let field = match name {
                "header" => &mut header,
                "value" => &mut value,
                _ => return Err((name, "there is no such field")),
            };
            if !take(&mut rest, ':') {
                return Err((name, "this is not JSON"));
            }
            *field = take_text(&mut rest).ok_or((name, "expected a text without escapes"))?;
            if !take(&mut rest, ',') {
                break;
            }
        }
        if !take(&mut rest, '}') {
            return Err(("", "this is not JSON"));
        }
    }
    match (header, value) {
        ("", _) => Err(("header", "is required")),
        (_, "") => Err(("value", "is required")),
        both => Ok(both),
    }
}

unsafe extern "C" fn config_create(
    config: Handle, given: *const FilterConfig, out: *mut *mut c_void,
) -> Status {
    guarded(E_ARGUMENT, || {
        let host = services().config;
        let refuse = |path: &str, why: &str| {
            (host.error)(config, Bytes::new(path.as_bytes()), Bytes::new(why.as_bytes()));
            E_ARGUMENT
        };
        let (header, value) = match parse(std::str::from_utf8((*given).bytes.get()).unwrap_or("")) {
            Ok(both) => both,
            Err((path, why)) => return refuse(path, why),
        };
        let mut made = Settings::default();
        if (host.header)(config, Bytes::new(header.as_bytes()), &mut made.header) != OK {
            return refuse("header", "is not a header's name");
        }
        // What is wrong with a format the host has said already.
        let path = Bytes::new(b"value");
        let mut status = (host.format)(config, path, Bytes::new(value.as_bytes()), &mut made.value);
        if status == OK {
            let name = Bytes::new(b"my_filter.served");
            status = (host.metric)(config, COUNTER, name, true, std::ptr::null(), 0, &mut made.served);
        }
        if status == OK {
            *out = Box::into_raw(Box::new(made)).cast();
        }
        status
    })
}

unsafe extern "C" fn config_destroy(config: *mut c_void) {
    drop(Box::from_raw(config.cast::<Settings>()));
}

// ---- One request and its response, on a worker. Nothing here may block.

struct Filter<'a> {
    settings: &'a Settings,
    http: &'a HostHttp,
    stream: Handle,
}

unsafe extern "C" fn create(
    config: *mut c_void, _worker: *mut c_void, http: *const HostHttp, stream: Handle,
) -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        let settings = &*config.cast::<Settings>();
        Box::into_raw(Box::new(Filter { settings, http: &*http, stream })).cast()
    })
}

unsafe extern "C" fn on_response_headers(filter: *mut c_void, _end: bool) -> Status {
    guarded(CONTINUE, || {
        let filter = &*filter.cast::<Filter>();
        let mut value = Bytes::EMPTY;
        if (services().text.format)(filter.stream, filter.settings.value, &mut value) == OK {
            (filter.http.header_set_by_id)(filter.stream, RESPONSE_HEADERS, filter.settings.header, value);
            (services().metrics.add)(filter.stream, filter.settings.served, 1);
        }
        CONTINUE
    })
}

unsafe extern "C" fn destroy(filter: *mut c_void) {
    drop(Box::from_raw(filter.cast::<Filter>()));
}

// ---- The tables. A hook that is not needed is None; martlet.rs has them all.

/// Tables hold pointers, which Rust shares between threads only on our word: nothing changes them.
struct Table<T>(T);
unsafe impl<T> Sync for Table<T> {}

static TYPE_NAMES: Table<[*const c_char; 2]> = Table([c"com.example.MyFilter".as_ptr(), std::ptr::null()]);

static INFO: Table<FilterInfo> = Table(FilterInfo {
    size: size_of::<FilterInfo>() as u32,
    flags: 0,
    name: c"com.example.my_filter".as_ptr(),
    type_names: &TYPE_NAMES.0 as *const *const c_char,
    route_type_names: std::ptr::null(),
    descriptors: Bytes::EMPTY,
});

static MY_FILTER: Table<HttpFilter> = Table(HttpFilter {
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

static FILTERS: [&Table<HttpFilter>; 1] = [&MY_FILTER];

static LIST: Table<HttpFilterList> = Table(HttpFilterList {
    size: size_of::<HttpFilterList>() as u32,
    count: FILTERS.len() as u32,
    filters: FILTERS.as_ptr().cast(),
});

static PLUGIN: Table<Plugin> = Table(Plugin {
    size: size_of::<Plugin>() as u32,
    abi_minor: ABI_MINOR,
    id: c"com.example.my_filter".as_ptr(),
    version: c"0.1.0".as_ptr(),
    open,
    close: None,
    query,
});

unsafe extern "C" fn open(host: *const Host) -> Status {
    let host = &*host;
    let config = (host.query)(c"martlet.host.config/1".as_ptr()).cast::<HostConfig>();
    let metrics = (host.query)(c"martlet.host.metrics/1".as_ptr()).cast::<HostMetrics>();
    let text = (host.query)(c"martlet.host.text/1".as_ptr()).cast::<HostText>();
    match (config.as_ref(), metrics.as_ref(), text.as_ref()) {
        (Some(config), Some(metrics), Some(text)) => {
            let is_first = SERVICES.set(Services { config, metrics, text }).is_ok();
            if is_first { OK } else { E_ARGUMENT }
        }
        _ => E_NOT_FOUND,
    }
}

unsafe extern "C" fn query(id: *const c_char) -> *const c_void {
    if CStr::from_ptr(id) == c"martlet.plugin.http_filter/1" {
        return (&LIST.0 as *const HttpFilterList).cast();
    }
    std::ptr::null()
}

#[no_mangle]
pub extern "C" fn martlet_plugin_v1(_host_minor: u32) -> *const Plugin {
    &PLUGIN.0
}
