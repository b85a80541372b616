// Tests of the C++ layer: classes, callbacks and who owns what. The C SDK's own tests have the rest.
#include <wisted.hpp>
#include <wisted_testing.h>

using namespace wisted;
using namespace std::chrono_literals;

static std::string events;

#define CHECK_EVENTS(text) (WISTED_CHECK_TEXT(events.c_str(), text), events.clear())

/** Counts who is alive; `q` closes, `t` starts a timer that notes. */
struct Noting : Protocol {
    static inline int alive = 0;
    Pending timer;

    Noting() { alive++; }
    ~Noting() override { alive--; }
    void connection_made(Transport transport) override {
        events += "made " + std::to_string(transport.id()) + "\n";
        transport.write_many({"hi ", transport.peer().host});
    }
    void data_received(Transport transport, Bytes data) override {
        events += "data " + std::string(as_text(data)) + "\n";
        if (data[0] == 'q')
            transport.lose_connection();
        else if (data[0] == 't')
            timer = call_later(1s, [] { events += "timer\n"; });
        else
            transport.write(data);
    }
    void drained(Transport transport) override {
        events += "drained " + std::to_string(transport.buffered_bytes()) + "\n";
    }
    void connection_lost(Transport transport, const CloseReason &reason) override {
        events += "lost " + std::to_string(transport.id()) + " " + reason.name() + " ";
        events += std::string(reason.text) + "\n";
    }
};

struct NotingFactory : StatefulFactory {
    static inline int alive = 0;
    NotingFactory() { alive++; }
    ~NotingFactory() override { alive--; }
    Failure start(const Config &config) override {
        events += "start " + std::string(config.get("greeting").value_or("nothing")) + "\n";
        if (auto text = config.get("refuse"))
            return std::string(*text);
        return std::nullopt;
    }
    std::unique_ptr<Protocol> build_protocol(Transport) override { return std::make_unique<Noting>(); }
    void stop() override { events += "stop\n"; }
    std::vector<std::uint8_t> save_state() override { return {1, 0, 2}; }
    Failure restore_state(Bytes state) override {
        events += "restore " + std::to_string(state.size()) + "\n";
        if (state.empty())
            return "there is nothing in it";
        return std::nullopt;
    }
};
WISTED_SERVE(NotingFactory)

struct Stateless : Factory {
    std::unique_ptr<Protocol> build_protocol(Transport) override { return nullptr; }
};
static_assert(detail::factory_table<Stateless>.save_state == nullptr);

static void handlers_are_called_and_protocols_live_as_long_as_connections() {
    wisted_fake_reset();
    const char *const config[] = {"greeting", "hello", nullptr};
    WISTED_CHECK(wisted_fake_start(wisted_exported_factory, config) == nullptr);
    WISTED_CHECK(wisted::config("greeting") == "hello" && !wisted::config("other"));
    auto one = wisted_peer_connect(), two = wisted_peer_connect();
    WISTED_CHECK_RECEIVED(one, "hi 127.0.0.1");
    wisted_peer_send(one, "x");
    WISTED_CHECK_RECEIVED(one, "x");
    wisted_peer_drain(two);
    CHECK_EVENTS("start hello\nmade 1\nmade 2\ndata x\ndrained 0\n");
    wisted_peer_send(one, "q");
    WISTED_CHECK(Noting::alive == 1);
    wisted_peer_reset(two);
    WISTED_CHECK(Noting::alive == 0);
    CHECK_EVENTS("data q\nlost 1 done \nlost 2 lost reset by the fake peer\n");
    wisted_fake_stop();
    WISTED_CHECK(NotingFactory::alive == 0);
    CHECK_EVENTS("stop\n");
}

static void a_failure_is_told() {
    const char *const config[] = {"refuse", "a text that is too long for a short string", nullptr};
    WISTED_CHECK_TEXT(wisted_fake_start(wisted_exported_factory, config), config[1]);
    WISTED_CHECK(wisted_fake_start(wisted_exported_factory, nullptr) == nullptr);
    WISTED_CHECK(NotingFactory::alive == 1);
    wisted_fake_stop();
    events.clear();
}

static void state_is_handed_over() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    wisted_bytes state = wisted_fake_save_state();
    WISTED_CHECK(state.size == 3 && state.data[2] == 2);
    WISTED_CHECK(wisted_fake_restore_state(state) == nullptr);
    WISTED_CHECK_TEXT(wisted_fake_restore_state({nullptr, 0}), "there is nothing in it");
    CHECK_EVENTS("start nothing\nrestore 3\nrestore 0\n");
    wisted_fake_stop();
    events.clear();
}

static void a_timer_goes_with_its_protocol() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    auto one = wisted_peer_connect(), two = wisted_peer_connect();
    wisted_peer_send(one, "t");
    wisted_peer_send(two, "t");
    wisted_peer_reset(one);
    events.clear();
    wisted_fake_advance(1000);
    CHECK_EVENTS("timer\n");
    wisted_fake_stop();
    events.clear();
}

static void pending_things_are_cancelled_or_detached_or_waited_for() {
    wisted_fake_reset();
    { auto dropped = call_later(1ms, [] { events += "dropped\n"; }); }
    call_later(2ms, [] { events += "detached\n"; }).detach();
    auto kept = call_later(3ms, [] { events += "kept\n"; });
    auto moved = std::move(kept);
    WISTED_CHECK(!kept.is_pending() && moved.is_pending());
    WISTED_CHECK(moved.wait() == Wait::waited && moved.wait() == Wait::unknown_id && !moved.cancel());
    WISTED_CHECK(now() == 3ms && sleep(7ms) == Wait::waited && now() == 10ms);
    auto itself = std::make_unique<Pending>();
    *itself = call_later(1ms, [&] { itself.reset(), events += "gone\n"; });
    wisted_fake_advance(1);
    CHECK_EVENTS("kept\ndetached\ngone\n");
    wisted_fake_break_waits(WISTED_WAIT_STOPPING);
    WISTED_CHECK(sleep(1ms) == Wait::stopping && wait_error_text() == "gave up waiting: the host is stopping");
}

static void pages_come_both_ways() {
    wisted_fake_reset();
    wisted_fake_respond(5, "http://x/", "hello");
    wisted_fake_fail("http://late/", WISTED_FETCH_TIMEOUT, nullptr, 0);
    auto note = [](const Page &page) {
        events += page.is_fetched() ? std::string(as_text(page.body())) : page.error_text();
        events += "\n";
    };
    auto late = get_page("http://late/", note);
    auto called = send_request({.method = "POST", .url = "http://x/", .headers = {{"a", "1"}}, .body = "b"}, note);
    WISTED_CHECK_TEXT(wisted_fake_last_request(), "POST http://x/ a=1 b");
    auto waited = get_page("http://x/");
    wisted_fake_advance(0);
    auto page = waited.wait_page();
    WISTED_CHECK(page && page->status() == 200 && page->url() == "http://x/" && !page->header("a"));
    WISTED_CHECK(!waited.wait_page());
    wisted_fake_advance(0);
    CHECK_EVENTS("the request timed out\nhello\n");
}

static void frames_are_taken_and_faults_stay() {
    Frames frames;
    frames.push(as_bytes("line\r\nraw2:de,rest"));
    WISTED_CHECK(as_text(*frames.line()) == "line" && as_text(frames.raw(3)) == "raw");
    WISTED_CHECK(as_text(*frames.netstring()) == "de" && !frames.line(4) && !frames.is_invalid());
    frames.push(as_bytes("!!\n"));
    WISTED_CHECK(!frames.line(4) && frames.is_invalid() && !frames.line() && frames.is_invalid());
}

static void the_rest() {
    info("text");
    WISTED_CHECK_TEXT(wisted_fake_take_log(), "info text\n");
    WISTED_CHECK(random_bytes(10).size() == 10 && random_bytes(10) != random_bytes(10));
}

struct Failing : Program {
    Failure execute() override { return "failed"; }
};
WISTED_RUN(Failing)

int main() {
    handlers_are_called_and_protocols_live_as_long_as_connections();
    a_failure_is_told();
    state_is_handed_over();
    a_timer_goes_with_its_protocol();
    pending_things_are_cancelled_or_detached_or_waited_for();
    pages_come_both_ways();
    frames_are_taken_and_faults_stay();
    the_rest();
    WISTED_CHECK_TEXT(wisted_fake_run(wisted_exported_program, nullptr), "failed");
    wisted_fake_start(wisted_exported_factory, nullptr);
    wisted_fake_stop();
    wisted_fake_reset();
    return 0;
}
