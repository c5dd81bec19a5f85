//! A filter in Rust: writes `*` over long numbers in response bodies while they stream by.
//!
//! ```yaml
//! name: com.example.mask_digits
//! typed_config:
//!   "@type": type.googleapis.com/com.example.MaskDigits
//!   at_least: 12     # shorter numbers stay as they are; 12 where it is left out
//!   keep: 4          # the last digits that stay readable, fewer than at_least; 4
//! ```
//!
//! A number may stand across two pieces of the body, so the end of each piece is held back until it
//! is known what follows: never more than `at_least` bytes. A masked body is as long as it was, and
//! content-length stays true. Bodies with a content-encoding are passed as they are. Counted:
//! `<stat prefix>mask_digits.masked`.
//!
//! No panic may leave a function that the host calls: `guarded` is around each.

mod martlet;

use martlet::*;
use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

/// The host's services, found once when the plugin is opened.
struct Services {
    plugin: Handle,
    core: &'static HostCore,
    config: &'static HostConfig,
    metrics: &'static HostMetrics,
}

static SERVICES: OnceLock<Services> = OnceLock::new();

fn services() -> &'static Services {
    SERVICES.get().expect("the host opens a plugin before it uses it")
}

/// Calls `body`; a panic is logged and becomes `otherwise`.
fn guarded<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        if let Some(host) = SERVICES.get() {
            unsafe { (host.core.log)(host.plugin, LOG_ERROR, Bytes::new(b"mask_digits panicked")) };
        }
        otherwise
    })
}

// ---- Configuration

struct Settings {
    at_least: usize,
    keep: usize,
    masked: u32,
}

/// Reads a flat JSON object of whole numbers. An error is the path of the field and what is wrong.
fn parse(json: &str) -> Result<Settings, (String, String)> {
    let wrong = |path: &str, why: &str| Err((path.to_string(), why.to_string()));
    let mut settings = Settings { at_least: 12, keep: 4, masked: 0 };
    let Some(inside) = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return wrong("", "expected an object");
    };
    for member in inside.split(',').filter(|_| !inside.trim().is_empty()) {
        let Some((name, value)) = member.split_once(':') else {
            return wrong("", "this is not JSON");
        };
        let name = name.trim().trim_matches('"');
        let number = value.trim().parse::<usize>().ok().filter(|number| *number <= 4096);
        let field = match name {
            "at_least" => &mut settings.at_least,
            "keep" => &mut settings.keep,
            _ => return wrong(name, "there is no such field"),
        };
        let Some(number) = number else {
            return wrong(name, "expected a whole number to 4096");
        };
        *field = number;
    }
    if settings.keep >= settings.at_least {
        return wrong("keep", "must be less than at_least");
    }
    Ok(settings)
}

unsafe extern "C" fn config_create(
    config: Handle, given: *const FilterConfig, out: *mut *mut c_void,
) -> Status {
    guarded(E_ARGUMENT, || {
        let host = services().config;
        let json = std::str::from_utf8((*given).bytes.get()).unwrap_or("");
        match parse(json) {
            Ok(mut settings) => {
                let name = Bytes::new(b"mask_digits.masked");
                let none = std::ptr::null();
                let status = (host.metric)(config, COUNTER, name, true, none, 0, &mut settings.masked);
                if status == OK {
                    *out = Box::into_raw(Box::new(settings)).cast();
                }
                status
            }
            Err((path, why)) => {
                (host.error)(config, Bytes::new(path.as_bytes()), Bytes::new(why.as_bytes()));
                E_ARGUMENT
            }
        }
    })
}

unsafe extern "C" fn config_destroy(config: *mut c_void) {
    drop(Box::from_raw(config.cast::<Settings>()));
}

// ---- Streams

/// Masks a text that comes in pieces.
struct Masker<'a> {
    settings: &'a Settings,
    /// Digits at the end of what has come: their number may go on.
    held: Vec<u8>,
    /// The number that `held` ends is long enough, and all of it but `held` is masked already.
    long: bool,
    /// How many numbers were masked.
    count: u64,
}

impl Masker<'_> {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            if !byte.is_ascii_digit() {
                self.finish(out);
                out.push(byte);
                continue;
            }
            self.held.push(byte);
            if !self.long && self.held.len() >= self.settings.at_least {
                self.long = true;
                self.count += 1;
            }
            if self.long {
                let over = self.held.len() - self.settings.keep;
                self.held.drain(..over);
                out.resize(out.len() + over, b'*');
            }
        }
    }

    /// What is held ends here.
    fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.long = false;
    }
}

struct Filter<'a> {
    http: &'a HostHttp,
    stream: Handle,
    masker: Masker<'a>,
    encoded: bool,
    out: Vec<u8>,
}

impl Filter<'_> {
    unsafe fn on_headers(&mut self) -> Status {
        let mut value = Bytes::EMPTY;
        let name = Bytes::new(b"content-encoding");
        self.encoded = (self.http.header_get)(self.stream, RESPONSE_HEADERS, name, 0, &mut value) == OK;
        CONTINUE
    }

    unsafe fn on_body(&mut self, end: bool) -> Status {
        if self.encoded {
            return CONTINUE;
        }
        self.out.clear();
        let mut piece = Bytes::EMPTY;
        let mut index = 0;
        while (self.http.body_piece)(self.stream, RESPONSE, index, &mut piece) == OK {
            self.masker.feed(piece.get(), &mut self.out);
            index += 1;
        }
        if end {
            self.masker.finish(&mut self.out);
        }
        (self.http.body_replace)(self.stream, RESPONSE, Bytes::new(&self.out));
        self.count();
        CONTINUE
    }

    /// The body ended without `end`, because trailers follow.
    unsafe fn on_trailers(&mut self) -> Status {
        self.out.clear();
        self.masker.finish(&mut self.out);
        if !self.out.is_empty() {
            (self.http.body_append)(self.stream, RESPONSE, Bytes::new(&self.out));
        }
        CONTINUE
    }

    unsafe fn count(&mut self) {
        if self.masker.count > 0 {
            (services().metrics.add)(self.stream, self.masker.settings.masked, self.masker.count);
            self.masker.count = 0;
        }
    }
}

unsafe extern "C" fn create(
    config: *mut c_void, _worker: *mut c_void, http: *const HostHttp, stream: Handle,
) -> *mut c_void {
    guarded(std::ptr::null_mut(), || {
        let settings = &*config.cast::<Settings>();
        let masker = Masker { settings, held: Vec::new(), long: false, count: 0 };
        let filter = Filter { http: &*http, stream, masker, encoded: false, out: Vec::new() };
        Box::into_raw(Box::new(filter)).cast()
    })
}

unsafe extern "C" fn on_response_headers(filter: *mut c_void, _end: bool) -> Status {
    guarded(CONTINUE, || (*filter.cast::<Filter>()).on_headers())
}

unsafe extern "C" fn on_response_body(filter: *mut c_void, end: bool) -> Status {
    guarded(CONTINUE, || (*filter.cast::<Filter>()).on_body(end))
}

unsafe extern "C" fn on_response_trailers(filter: *mut c_void) -> Status {
    guarded(CONTINUE, || (*filter.cast::<Filter>()).on_trailers())
}

unsafe extern "C" fn destroy(filter: *mut c_void) {
    drop(Box::from_raw(filter.cast::<Filter>()));
}

// ---- The tables

/// Tables hold pointers, which Rust shares between threads only on our word: nothing changes them.
struct Table<T>(T);
unsafe impl<T> Sync for Table<T> {}

static TYPE_NAMES: Table<[*const c_char; 2]> = Table([c"com.example.MaskDigits".as_ptr(), std::ptr::null()]);

static INFO: Table<FilterInfo> = Table(FilterInfo {
    size: size_of::<FilterInfo>() as u32,
    flags: 0,
    name: c"com.example.mask_digits".as_ptr(),
    type_names: &TYPE_NAMES.0 as *const *const c_char,
    route_type_names: std::ptr::null(),
    descriptors: Bytes::EMPTY,
});

static MASK_DIGITS: Table<HttpFilter> = Table(HttpFilter {
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
    on_response_body,
    on_response_trailers,
    on_back_pressure: None,
    on_timer: None,
    on_wake: None,
    on_complete: None,
    destroy,
});

static FILTERS: [&Table<HttpFilter>; 1] = [&MASK_DIGITS];

static LIST: Table<HttpFilterList> = Table(HttpFilterList {
    size: size_of::<HttpFilterList>() as u32,
    count: FILTERS.len() as u32,
    filters: FILTERS.as_ptr().cast(),
});

static PLUGIN: Table<Plugin> = Table(Plugin {
    size: size_of::<Plugin>() as u32,
    abi_minor: ABI_MINOR,
    id: c"com.example.mask_digits".as_ptr(),
    version: c"1.0.0".as_ptr(),
    open,
    close: None,
    query,
});

unsafe extern "C" fn open(host: *const Host) -> Status {
    let host = &*host;
    let core = (host.query)(c"martlet.host.core/1".as_ptr()).cast::<HostCore>();
    let config = (host.query)(c"martlet.host.config/1".as_ptr()).cast::<HostConfig>();
    let metrics = (host.query)(c"martlet.host.metrics/1".as_ptr()).cast::<HostMetrics>();
    match (core.as_ref(), config.as_ref(), metrics.as_ref()) {
        (Some(core), Some(config), Some(metrics)) => {
            let services = Services { plugin: host.plugin, core, config, metrics };
            if SERVICES.set(services).is_ok() { OK } else { E_ARGUMENT }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Masks `text` cut into pieces of `length` bytes.
    fn masked(text: &str, length: usize) -> String {
        let settings = parse(r#"{"at_least": 6, "keep": 2}"#).ok().unwrap();
        let mut masker = Masker { settings: &settings, held: Vec::new(), long: false, count: 0 };
        let mut out = Vec::new();
        text.as_bytes().chunks(length).for_each(|piece| masker.feed(piece, &mut out));
        masker.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_masked_wherever_the_pieces_end() {
        for length in 1..40 {
            assert_eq!(masked("a 12345 b 123456 c 1234567", length), "a 12345 b ****56 c *****67");
            assert_eq!(masked("", length), "");
            assert_eq!(masked("123456789", length), "*******89");
        }
    }

    #[test]
    fn configurations_are_read_or_refused() {
        assert!(parse("{}").is_ok());
        assert_eq!(parse(r#"{"at_least": 3}"#).err().unwrap().0, "keep");
        assert_eq!(parse(r#"{"keep": -1}"#).err().unwrap().0, "keep");
        assert_eq!(parse(r#"{"keeps": 1}"#).err().unwrap().0, "keeps");
        assert_eq!(parse("[]").err().unwrap().1, "expected an object");
    }
}
