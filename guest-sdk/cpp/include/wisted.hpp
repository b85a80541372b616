/**
 * @file wisted.hpp
 * Protocols and programs for the Wisted reactor, in C++20: classes over the C SDK, all in this header. It knows
 * nothing of WebAssembly: natively the same code runs against the fakes of wisted_testing.h.
 *
 * @code
 * #include <wisted.hpp>
 *
 * struct Echo : wisted::Protocol {
 *     void data_received(wisted::Transport transport, wisted::Bytes data) override { transport.write(data); }
 * };
 * WISTED_SERVE(Echo)
 * @endcode
 *
 * - The host runs one handler of an instance at a time, also while a handler waits or sleeps.
 * - Bytes and texts that a handler is given are borrowed until it returns.
 * - There are no exceptions in a guest: what can fail returns an optional or a status. Out of memory is a trap.
 */
#ifndef WISTED_HPP
#define WISTED_HPP

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <wisted.h>

namespace wisted {

using std::chrono::milliseconds;

/** Bytes that belong to somebody else. */
using Bytes = std::span<const std::uint8_t>;

/** The same bytes as text. */
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

/** The same text as bytes. */
inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

/** One end of a connection. */
struct Address {
    /** An IP address without brackets or port. */
    std::string host;
    /** The TCP port. */
    std::uint16_t port;
};

/** Why a connection ended. */
enum class CloseKind {
    done = WISTED_DONE,
    lost = WISTED_LOST,
    aborted = WISTED_ABORTED,
    peer_not_reading = WISTED_PEER_NOT_READING,
    stopping = WISTED_STOPPING,
};

/** Why a connection ended, and in words where the system or a limit says more. */
struct CloseReason {
    CloseKind kind;
    std::string_view text;

    /** As the contract spells it, such as `peer-not-reading`. */
    const char *name() const { return wisted_close_kind_name(static_cast<wisted_close_kind>(kind)); }
};

/**
 * A handle on one connection: Twisted's ITCPTransport. It is a number: copy it and keep it. On a connection that is
 * lost every method does nothing. Nothing here blocks, fails or calls a handler.
 */
class Transport {
  public:
    explicit Transport(wisted_transport raw) : raw_(raw) {}

    /** The number of this connection within the instance. */
    std::uint32_t id() const { return raw_.id; }

    /** Queues bytes for the peer, in order. More than the service's `write-buffer-max-bytes` in one handler traps. */
    void write(Bytes data) const { wisted_transport_write(raw_, data.data(), data.size()); }
    /** Queues text for the peer. */
    void write(std::string_view text) const { wisted_transport_write(raw_, text.data(), text.size()); }

    /** Queues several pieces as if each had been written in turn; one call costs less than many. */
    void write_many(std::span<const Bytes> pieces) const { write_pieces(pieces); }
    /** Queues several texts. */
    void write_many(std::initializer_list<std::string_view> pieces) const { write_pieces(pieces); }

    /** Writes a netstring. */
    void write_netstring(Bytes data) const { wisted_transport_write_netstring(raw_, data.data(), data.size()); }
    /** Writes a frame whose length comes first, in 4 bytes, big endian. */
    void write_int32(Bytes data) const { wisted_transport_write_int32(raw_, data.data(), data.size()); }

    /** Closes the connection once everything written so far is sent; connection_lost follows. */
    void lose_connection() const { wisted_transport_lose_connection(raw_); }
    /** Closes the connection now and drops what is unsent (TCP RST). */
    void abort_connection() const { wisted_transport_abort_connection(raw_); }
    /** Half close: tells the peer that no more will come, and goes on receiving. */
    void shutdown_write() const { wisted_transport_shutdown_write(raw_); }
    /** Stops data_received until resume_reading(). */
    void pause_reading() const { wisted_transport_pause_reading(raw_); }
    /** Undoes pause_reading(). */
    void resume_reading() const { wisted_transport_resume_reading(raw_); }

    /** The address of the peer. */
    Address peer() const { return address(wisted_transport_peer(raw_)); }
    /** The address on this side that the peer connected to. */
    Address host() const { return address(wisted_transport_host(raw_)); }
    /** How many bytes were written and are not yet with the operating system. */
    std::uint64_t buffered_bytes() const { return wisted_transport_buffered_bytes(raw_); }

    friend bool operator==(Transport one, Transport two) { return one.id() == two.id(); }

  private:
    template <class Pieces> void write_pieces(const Pieces &pieces) const {
        std::vector<wisted_bytes> raw;
        raw.reserve(pieces.size());
        for (const auto &piece : pieces)
            raw.push_back({reinterpret_cast<const std::uint8_t *>(piece.data()), piece.size()});
        wisted_transport_write_many(raw_, raw.data(), raw.size());
    }
    static Address address(const wisted_address &raw) { return {raw.host, raw.port}; }

    wisted_transport raw_;
};

/** The operator's configuration values, borrowed. */
class Config {
  public:
    explicit Config(wisted_pairs raw) : raw_(raw) {}

    /** The value of a key, if there is one. */
    std::optional<std::string_view> get(std::string_view key) const {
        for (const auto &pair : items())
            if (std::string_view(pair.name.data, pair.name.size) == key)
                return std::string_view(pair.value.data, pair.value.size);
        return std::nullopt;
    }

    /** Names with their values, sorted by name. */
    std::span<const wisted_pair> items() const { return {raw_.items, raw_.count}; }

  private:
    wisted_pairs raw_;
};

/** What happens on one connection: Twisted's IProtocol. Destroyed after connection_lost. */
class Protocol {
  public:
    virtual ~Protocol() = default;
    /** The peer has connected. Called once, before everything else. */
    virtual void connection_made(Transport) {}
    /** Bytes arrived: in order, never none, cut wherever the network cut them. */
    virtual void data_received(Transport, Bytes) = 0;
    /** The peer will send no more (TCP FIN); writing still works. This one closes. */
    virtual void read_closed(Transport transport) { transport.lose_connection(); }
    /** The peer had been slow and has caught up. */
    virtual void drained(Transport) {}
    /** The connection is gone. Called once, after everything else about it. */
    virtual void connection_lost(Transport, const CloseReason &) {}
};

/** An error in words, or none. */
using Failure = std::optional<std::string>;

/** Builds protocols and owns what they share: Twisted's ServerFactory. One for each instance of the guest. */
class Factory {
  public:
    virtual ~Factory() = default;
    /** The instance begins. A failure refuses the connection, or with isolation `service` the service. */
    virtual Failure start(const Config &) { return std::nullopt; }
    /** A peer has connected: makes its protocol, whose connection_made is called next. */
    virtual std::unique_ptr<Protocol> build_protocol(Transport) = 0;
    /** The instance ends in an orderly way. */
    virtual void stop() {}
};

/**
 * A factory that hands its state to the one that takes its place, when there is a new build or its instance has served
 * enough. For isolation `service`. WISTED_SERVE sees that it is one.
 */
class StatefulFactory : public Factory {
  public:
    /** What the next one is to know, at most 16 MiB. Called once that one has started; this one goes on serving its
     * open connections, but what changes from then on is not handed over. Say in it which version it is: another build
     * will read it. */
    virtual std::vector<std::uint8_t> save_state() = 0;
    /** What the one before has saved; perhaps empty. Called after start and before the first connection; not where
     * there is no old instance. With a failure the old one stays in its place. */
    virtual Failure restore_state(Bytes state) = 0;
};

/** A program: what runs without sockets. */
class Program {
  public:
    virtual ~Program() = default;
    /** The instance begins; a failure ends the program. */
    virtual Failure start(const Config &) { return std::nullopt; }
    /** Called once. The host goes on until nothing is pending, and exits with 0, or with 1 and the failure. */
    virtual Failure execute() = 0;
    /** The program ends in an orderly way. */
    virtual void stop() {}
};

/** How a wait ended. Anything but `waited`: return from the handler soon. */
enum class Wait {
    waited = WISTED_WAITED,
    connection_lost = WISTED_WAIT_CONNECTION_LOST,
    unknown_id = WISTED_WAIT_UNKNOWN_ID,
    stopping = WISTED_WAIT_STOPPING,
};

/** What failed in the last wait or sleep that did, for people. */
inline std::string_view wait_error_text() {
    return wisted_wait_error_text();
}

/** Why there is no response. The kinds are the contract's: see wisted_fetch_kind. */
enum class FetchKind {
    fetched = WISTED_FETCHED,
    denied = WISTED_FETCH_DENIED,
    invalid_request = WISTED_FETCH_INVALID_REQUEST,
    dns = WISTED_FETCH_DNS,
    connect = WISTED_FETCH_CONNECT,
    tls = WISTED_FETCH_TLS,
    protocol = WISTED_FETCH_PROTOCOL,
    timeout = WISTED_FETCH_TIMEOUT,
    too_large = WISTED_FETCH_TOO_LARGE,
    too_many_redirects = WISTED_FETCH_TOO_MANY_REDIRECTS,
    too_many_requests = WISTED_FETCH_TOO_MANY_REQUESTS,
};

/** The outcome of a request: a response of any status, or an error. What it gives out lives as long as it. */
class Page {
  public:
    /** One that a callback is given. */
    explicit Page(const wisted_page &borrowed) : seen_(&borrowed) {}
    /** One that was waited for. */
    explicit Page(wisted_page *owned) : seen_(owned), owned_(owned) {}

    /** Whether there is a response. */
    bool is_fetched() const { return kind() == FetchKind::fetched; }
    FetchKind kind() const { return static_cast<FetchKind>(seen_->kind); }
    /** As the contract spells the kind, such as `too-large`. */
    const char *kind_name() const { return wisted_fetch_kind_name(seen_->kind); }
    /** The error in words. */
    std::string error_text() const {
        char text[256];
        return wisted_page_error_text(seen_, text, sizeof text);
    }
    /** HTTP status, such as 200. */
    int status() const { return seen_->status; }
    Bytes body() const { return {seen_->body.data, seen_->body.size}; }
    /** Where the page came from, after redirects. */
    std::string_view url() const { return seen_->url; }
    /** The first header of this name, whatever its case. */
    std::optional<std::string_view> header(const std::string &name) const {
        const char *value = wisted_page_header(seen_, name.c_str());
        return value != nullptr ? std::optional<std::string_view>(value) : std::nullopt;
    }

  private:
    struct Free {
        void operator()(wisted_page *page) const { wisted_page_free(page); }
    };
    const wisted_page *seen_;
    std::unique_ptr<wisted_page, Free> owned_;
};

/**
 * A timer or a page that was asked for. Destroying it cancels: keep it in the protocol whose callback it is, so that
 * none comes after the protocol is gone, or detach() it.
 */
class [[nodiscard("destroying it cancels")]] Pending {
  public:
    Pending() = default;
    Pending(Pending &&other) noexcept : id_(std::exchange(other.id_, 0)), callback_(std::move(other.callback_)) {}
    Pending &operator=(Pending &&other) noexcept {
        if (this != &other) {
            cancel();
            id_ = std::exchange(other.id_, 0);
            callback_ = std::move(other.callback_);
        }
        return *this;
    }
    ~Pending() { cancel(); }

    /** Gives it up: the callback will not be called. Returns whether there was something to give up. */
    bool cancel() { return id_ != 0 && wisted_cancel(std::exchange(id_, 0)); }
    /** Lets it go on by itself. */
    void detach() {
        id_ = 0;
        if (callback_ != nullptr)
            callback_->keeps_itself = std::move(callback_);
    }
    /** Whether the outcome is still to come. */
    bool is_pending() const { return id_ != 0 && wisted_is_pending(id_); }
    /** Suspends the running handler until the outcome is there, and calls its callback. */
    Wait wait() const { return static_cast<Wait>(wisted_wait(id_)); }
    /** Suspends the running handler until the page is there, instead of having its callback called. None when the wait
     * ended without it: see wait_error_text(). */
    std::optional<Page> wait_page() const {
        wisted_page *page;
        if (wisted_wait_page(id_, &page) != WISTED_WAITED)
            return std::nullopt;
        return Page(page);
    }

    /** The parts that the functions below make it of. */
    struct Callback {
        std::function<void()> fired;
        std::function<void(const Page &)> received;
        std::unique_ptr<Callback> keeps_itself = nullptr;
    };
    Pending(wisted_pending id, std::unique_ptr<Callback> callback) : id_(id), callback_(std::move(callback)) {}

  private:
    wisted_pending id_ = 0;
    std::unique_ptr<Callback> callback_;
};

namespace detail {
/* A callback may destroy the Pending that holds it, so what is called is taken out first. */
inline void fired(void *context) {
    auto *callback = static_cast<Pending::Callback *>(context);
    auto self = std::move(callback->keeps_itself);
    auto call = std::move(callback->fired);
    if (call)
        call();
}
inline void received(void *context, const wisted_page *page) {
    auto *callback = static_cast<Pending::Callback *>(context);
    auto self = std::move(callback->keeps_itself);
    auto call = std::move(callback->received);
    if (call)
        call(Page(*page));
}
inline std::uint32_t clamped(milliseconds time) {
    return time.count() < 0 ? 0 : time.count() > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(time.count());
}
} // namespace detail

/** Calls back after a delay, when the running handler has returned: Twisted's reactor.callLater. */
inline Pending call_later(milliseconds delay, std::function<void()> callback = {}) {
    auto made = std::make_unique<Pending::Callback>(Pending::Callback{std::move(callback), {}});
    auto id = wisted_call_later(detail::clamped(delay), detail::fired, made.get());
    return {id, std::move(made)};
}

/** Suspends the running handler for a time; the reactor serves everyone else meanwhile. */
inline Wait sleep(milliseconds duration) {
    return static_cast<Wait>(wisted_sleep(detail::clamped(duration)));
}

/** The time since an unspecified moment; never goes back. */
inline milliseconds now() {
    return milliseconds(wisted_now());
}

/** A request of any method. */
struct Request {
    std::string method = "GET";
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    /** How long the whole request may take. 0: the service's limit, which is also the most. */
    milliseconds timeout = milliseconds(0);
};

/** Sends a request and returns at once. Without a callback, Pending::wait_page() gives the page. */
inline Pending send_request(const Request &request, std::function<void(const Page &)> callback = {}) {
    std::vector<wisted_pair> headers;
    for (const auto &[name, value] : request.headers)
        headers.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
    Bytes body = as_bytes(request.body);
    const wisted_request raw = {request.method.c_str(), request.url.c_str(), {headers.data(), headers.size()},
                                {body.data(), body.size()}, detail::clamped(request.timeout)};
    auto made = std::make_unique<Pending::Callback>(Pending::Callback{{}, std::move(callback)});
    auto id = wisted_send_request(&raw, detail::received, made.get());
    return {id, std::move(made)};
}

/** Fetches a URL with GET and returns at once: Twisted's getPage. */
inline Pending get_page(const std::string &url, std::function<void(const Page &)> callback = {}) {
    auto made = std::make_unique<Pending::Callback>(Pending::Callback{{}, std::move(callback)});
    auto id = wisted_get_page(url.c_str(), detail::received, made.get());
    return {id, std::move(made)};
}

/**
 * What was received and is not taken yet. Push what arrives, then take frames until there is none: the kind of
 * framing may change between two. A frame is borrowed until the next push.
 */
class Frames {
  public:
    Frames() = default;
    Frames(const Frames &) = delete;
    Frames &operator=(const Frames &) = delete;
    ~Frames() { wisted_frames_free(&raw_); }

    void push(Bytes data) { wisted_frames_push(&raw_, data.data(), data.size()); }
    /** A line that ends with LF, without it and without a CR before it. */
    std::optional<Bytes> line(std::size_t max_bytes = WISTED_LINE_MAX_BYTES) {
        return take(wisted_frames_line, max_bytes);
    }
    std::optional<Bytes> netstring(std::size_t max_bytes = WISTED_FRAME_MAX_BYTES) {
        return take(wisted_frames_netstring, max_bytes);
    }
    /** A frame whose length comes first, in 4 bytes, big endian. */
    std::optional<Bytes> int32(std::size_t max_bytes = WISTED_FRAME_MAX_BYTES) {
        return take(wisted_frames_int32, max_bytes);
    }
    /** Whatever is there, at most `max_bytes`; may be empty. */
    Bytes raw(std::size_t max_bytes) {
        wisted_bytes taken = wisted_frames_raw(&raw_, max_bytes);
        return {taken.data, taken.size};
    }
    /** Whether a frame was too long or malformed. There is no way on: lose the connection. */
    bool is_invalid() const { return is_invalid_; }

  private:
    template <class Taker> std::optional<Bytes> take(Taker *taker, std::size_t max_bytes) {
        wisted_bytes frame;
        wisted_frame_status status = is_invalid_ ? WISTED_FRAME_INVALID : taker(&raw_, max_bytes, &frame);
        is_invalid_ = status == WISTED_FRAME_INVALID;
        if (status != WISTED_FRAME)
            return std::nullopt;
        return Bytes(frame.data, frame.size);
    }

    wisted_frames raw_ = {};
    bool is_invalid_ = false;
};

/** How much a log record matters. */
enum class Level { trace = WISTED_TRACE, debug, info, warn, error };

/** Writes a log record. More than 8 KiB are cut. */
inline void log(Level level, std::string_view message) {
    wisted_log_text(static_cast<wisted_level>(level), {message.data(), message.size()});
}
inline void trace(std::string_view message) { log(Level::trace, message); }
inline void debug(std::string_view message) { log(Level::debug, message); }
inline void info(std::string_view message) { log(Level::info, message); }
inline void warn(std::string_view message) { log(Level::warn, message); }
inline void error(std::string_view message) { log(Level::error, message); }

/** The operator's value for a key (`--config KEY=VALUE`), if there is one. */
inline std::optional<std::string> config(const std::string &key) {
    char *value = wisted_config_get(key.c_str());
    if (value == nullptr)
        return std::nullopt;
    std::string copy = value;
    std::free(value);
    return copy;
}

/** Randomness from the operating system, fit for keys. */
inline std::vector<std::uint8_t> random_bytes(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    wisted_random(bytes.data(), size);
    return bytes;
}

namespace detail {
/* The factory of a protocol that needs none. */
template <class P> struct FactoryOf : Factory {
    std::unique_ptr<Protocol> build_protocol(Transport) override { return std::make_unique<P>(); }
};

/* The instance's one factory or program. A plain pointer: nothing has to be constructed or destroyed around main. */
template <class Base> inline Base *instance = nullptr;

template <class Base, class T> Base &begin() {
    delete instance<Base>;
    return *(instance<Base> = new T());
}

/* A failure as the C SDK takes it, kept until the next. */
inline const char *told(Failure failure) {
    static std::string *kept = nullptr;
    delete std::exchange(kept, failure ? new std::string(std::move(*failure)) : nullptr);
    return kept != nullptr ? kept->c_str() : nullptr;
}

inline Protocol &self_of(void *self) {
    return *static_cast<Protocol *>(self);
}

template <class F> inline constexpr bool is_stateful = std::is_base_of_v<StatefulFactory, F>;

inline void save_state(void *, wisted_state *state) {
    auto saved = static_cast<StatefulFactory *>(instance<Factory>)->save_state();
    wisted_state_write(state, saved.data(), saved.size());
}

inline const char *restore_state(void *, const std::uint8_t *data, std::size_t size) {
    return told(static_cast<StatefulFactory *>(instance<Factory>)->restore_state({data, size}));
}

template <class F>
inline constexpr wisted_factory factory_table = {
    .protocol =
        {
            .connection_made = [](void *self, wisted_transport raw) { self_of(self).connection_made(Transport(raw)); },
            .data_received = [](void *self, wisted_transport raw, const std::uint8_t *data,
                                std::size_t size) { self_of(self).data_received(Transport(raw), {data, size}); },
            .read_closed = [](void *self, wisted_transport raw) { self_of(self).read_closed(Transport(raw)); },
            .drained = [](void *self, wisted_transport raw) { self_of(self).drained(Transport(raw)); },
            .connection_lost =
                [](void *self, wisted_transport raw, const wisted_close_reason *reason) {
                    std::unique_ptr<Protocol> protocol(&self_of(self));
                    protocol->connection_lost(Transport(raw), {static_cast<CloseKind>(reason->kind), reason->text});
                },
        },
    .state_size = 0,
    .context = nullptr,
    .build_protocol = [](void *, wisted_transport raw) -> void * {
        return instance<Factory>->build_protocol(Transport(raw)).release();
    },
    .start = [](void *, wisted_pairs config) { return told(begin<Factory, F>().start(Config(config))); },
    .stop =
        [](void *) {
            instance<Factory>->stop();
            delete std::exchange(instance<Factory>, nullptr);
        },
    .save_state = is_stateful<F> ? save_state : nullptr,
    .restore_state = is_stateful<F> ? restore_state : nullptr,
};

template <class P>
inline constexpr wisted_program program_table = {
    .context = nullptr,
    .start = [](void *, wisted_pairs config) { return told(begin<Program, P>().start(Config(config))); },
    .execute = [](void *) { return told(instance<Program>->execute()); },
    .stop =
        [](void *) {
            instance<Program>->stop();
            delete std::exchange(instance<Program>, nullptr);
        },
};

template <class T>
using factory_for = std::conditional_t<std::is_base_of_v<Factory, T>, T, FactoryOf<T>>;

#ifdef __wasm__
/* The exports that a factory needs. What is not named here the linker leaves out. */
template <class F> constexpr auto exports_for() {
    if constexpr (is_stateful<F>)
        return wisted_link_stateful_factory_;
    else
        return wisted_link_factory_;
}
#endif
} // namespace detail

} // namespace wisted

#if defined(__wasm__) && defined(_LIBCPP_VERSION)
/* What the C++ library calls when it gives up: a trap, whose place the host prints. Its own would bring printf along. */
_LIBCPP_BEGIN_NAMESPACE_STD
__attribute__((weak)) void __libcpp_verbose_abort(const char *, ...) noexcept {
    __builtin_trap();
}
_LIBCPP_END_NAMESPACE_STD
extern "C" __attribute__((weak)) void __cxa_pure_virtual() {
    __builtin_trap();
}
extern "C" __attribute__((weak)) void __cxa_deleted_virtual() {
    __builtin_trap();
}
#endif

/** Makes a class the guest that is a wisted::Factory (a wisted::StatefulFactory hands its state on), or a
 * wisted::Protocol that is made without arguments. Once, at file scope. */
#define WISTED_SERVE(type) \
    const wisted_factory *const wisted_exported_factory = \
        &::wisted::detail::factory_table<::wisted::detail::factory_for<type>>; \
    WISTED_LINK_(::wisted::detail::exports_for<::wisted::detail::factory_for<type>>())

/** Makes a wisted::Program the guest. Once, at file scope. */
#define WISTED_RUN(type) WISTED_EXPORT_PROGRAM(::wisted::detail::program_table<type>)

#endif
