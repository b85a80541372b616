// The conformance guest: a command a line, as tests/conformance/PROTOCOL.md says. It knows nothing of the suite.
#include <algorithm>
#include <charconv>
#include <map>

#include <wisted.hpp>

using namespace wisted;
using Text = std::string_view;

/** Takes the first word off a text. */
static Text word_of(Text &text) {
    auto end = std::min(text.find(' '), text.size());
    auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

static std::optional<std::uint32_t> number_of(Text text) {
    std::uint32_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    bool is_number = error == std::errc() && end == text.data() + text.size() && !text.empty();
    return is_number ? std::optional(number) : std::nullopt;
}

class Conformance : public Protocol {
  public:
    explicit Conformance(std::string &kept) : kept_(kept) {}

    void data_received(Transport transport, Bytes data) override {
        frames_.push(data);
        while (std::optional<Bytes> frame = next_frame()) {
            if (raw_left_ > 0)
                raw_left_ -= static_cast<std::uint32_t>(frame->size()), transport.write(*frame);
            else if (answer_ != nullptr)
                (transport.*answer_)(*frame);
            else
                run(transport, std::string(as_text(*frame)));
        }
        if (frames_.is_invalid())
            transport.lose_connection();
    }
    void read_closed(Transport transport) override {
        transport.write("read-closed\n");
        transport.lose_connection();
    }
    void drained(Transport transport) override {
        if (std::exchange(tells_drained_, false))
            transport.write("drained\n");
    }
    void connection_lost(Transport, const CloseReason &reason) override { info("lost " + std::string(reason.name())); }

  private:
    std::optional<Bytes> next_frame() {
        if (raw_left_ == 0)
            return take_ != nullptr ? (frames_.*take_)(WISTED_FRAME_MAX_BYTES) : frames_.line();
        Bytes raw = frames_.raw(raw_left_);
        return raw.empty() ? std::nullopt : std::optional(raw);
    }

    void run(Transport transport, const std::string &line) {
        Text rest = line, name = word_of(rest);
        auto say = [=](const std::string &text) { transport.write(text + "\n"); };
        auto show = [=](const Page &page) {
            say(page.is_fetched() ? "page " + std::to_string(page.status()) + " " + std::to_string(page.body().size())
                                  : std::string("page error ") + page.kind_name());
        };
        auto say_address = [=](Address address) {
            say(std::string(name) + " " + address.host + " " + std::to_string(address.port));
        };
        auto fetch = [&] {
            std::vector<Pending> pages;
            for (Text url = word_of(rest); !url.empty(); url = word_of(rest))
                pages.push_back(get_page(std::string(url), show));
            return pages;
        };
        Text all = rest, first = word_of(rest);
        const std::map<Text, std::function<void()>> plain = {
            {"line", [&] { say(std::string(all)); }},
            {"lose", [&] { say("bye"), transport.lose_connection(); }},
            {"abort", [&] { transport.abort_connection(); }},
            {"shutdown", [&] { say("half"), transport.shutdown_write(); }},
            {"fetch", [&] { rest = all; for (auto &page : fetch()) page.detach(); }},
            {"fetch-wait", [&] { rest = all; for (auto &page : fetch()) page.wait(); }},
            {"post", [&] { send_request({.method = "POST", .url = std::string(first), .headers = {{"x-wisted", "1"}},
                                         .body = std::string(rest)}, show).detach(); }},
            {"buffered", [&] { say("buffered " + std::to_string(transport.buffered_bytes())); }},
            {"peer", [&] { say_address(transport.peer()); }},
            {"host", [&] { say_address(transport.host()); }},
            {"log", [&] { write_log(transport, first, rest); }},
            {"config", [&] { auto value = config(std::string(all)); say(value ? "config " + *value : "config"); }},
            {"now", [&] { say("now " + std::to_string(std::chrono::nanoseconds(now()).count())); }},
            {"netstring", [&] { take_ = &Frames::netstring, answer_ = &Transport::write_netstring; }},
            {"int32", [&] { take_ = &Frames::int32, answer_ = &Transport::write_int32; }},
            {"keep", [&] { kept_ = all, say("kept"); }},
            {"recall", [&] { say(kept_.empty() ? "recalled" : "recalled " + kept_); }},
            {"trap", [&] { std::abort(); }},
        };
        auto number = number_of(first);
        auto count = number.value_or(0);
        auto time = milliseconds(count);
        const std::map<Text, std::function<void()>> numbered = {
            {"echo", [&] { raw_left_ = count; }},
            {"many", [&] { write_numbers(transport, count); }},
            {"pause", [&] { transport.pause_reading();
                            call_later(time, [=] { transport.resume_reading(), say("resumed"); }).detach(); }},
            {"later", [&] { call_later(time, [say, text = std::string(rest)] { say("later " + text); }).detach(); }},
            {"cancel", [&] { auto timer = call_later(time);
                             for (int i = 0; i < 2; i++) say(timer.cancel() ? "cancelled true" : "cancelled false"); }},
            {"sleep", [&] { if (wisted::sleep(time) == Wait::waited) say("slept"); }},
            {"wait", [&] { if (call_later(time).wait() == Wait::waited) say("waited"); }},
            {"flood", [&] { flood(transport, count); }},
            {"random", [&] { say(hex(random_bytes(count))); }},
        };
        if (auto found = plain.find(name); found != plain.end())
            found->second();
        else if (auto found = numbered.find(name); found == numbered.end())
            say("error unknown command: " + std::string(name));
        else if (!number || (name == "later" && rest.empty()))
            say("error bad arguments: " + std::string(all));
        else
            found->second();
    }

    static std::string hex(const std::vector<std::uint8_t> &bytes) {
        constexpr Text digits = "0123456789abcdef";
        std::string text;
        for (auto byte : bytes)
            text += {digits[byte / 16], digits[byte % 16]};
        return text;
    }

    static void write_numbers(Transport transport, std::uint32_t count) {
        std::vector<std::string> texts;
        for (std::uint32_t i = 0; i < count; i++)
            texts.push_back(std::to_string(i) + "\n");
        std::vector<Bytes> pieces;
        for (const auto &text : texts)
            pieces.push_back(as_bytes(text));
        transport.write_many(pieces);
    }

    void flood(Transport transport, std::size_t size) {
        const std::string piece(65536, 'x');
        for (; size > 0; size -= std::min(size, piece.size()))
            transport.write(Text(piece).substr(0, size));
        tells_drained_ = true;
    }

    static void write_log(Transport transport, Text level, Text text) {
        constexpr Text levels[] = {"trace", "debug", "info", "warn", "error"};
        auto found = std::find(std::begin(levels), std::end(levels), level);
        if (found == std::end(levels))
            return transport.write("error no such level: " + std::string(level) + "\n");
        log(static_cast<Level>(found - levels), text);
        transport.write("logged\n");
    }

    /** What a successor takes over. */
    std::string &kept_;
    Frames frames_;
    /** Bytes to be sent back as they are. */
    std::uint32_t raw_left_ = 0;
    std::optional<Bytes> (Frames::*take_)(std::size_t) = nullptr;
    void (Transport::*answer_)(Bytes) const = nullptr;
    bool tells_drained_ = false;
};

class ConformanceFactory : public StatefulFactory {
    std::unique_ptr<Protocol> build_protocol(Transport) override { return std::make_unique<Conformance>(kept_); }
    void stop() override { info("stopped"); }
    std::vector<std::uint8_t> save_state() override { return {kept_.begin(), kept_.end()}; }
    Failure restore_state(Bytes state) override {
        if (as_text(state) == "spoilt")
            return "the state is spoilt";
        kept_ = as_text(state);
        return std::nullopt;
    }

    std::string kept_;
};

WISTED_SERVE(ConformanceFactory)
