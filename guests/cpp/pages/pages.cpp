// The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody else.
#include <ctime>

#include <wisted.hpp>

using namespace wisted;
using namespace std::chrono_literals;

/** A longer line ends its connection. */
constexpr std::size_t LINE_MAX_BYTES = 256;

/** The time of day, UTC. */
static std::string clock_time() {
    long seconds = static_cast<long>(std::time(nullptr) % 86400);
    auto two = [](long number) { return std::string(number < 10 ? "0" : "") + std::to_string(number); };
    return two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60);
}

static void print(const std::string &text) {
    info(clock_time() + " " + text);
}

class Pages : public Protocol {
  public:
    explicit Pages(const std::vector<std::string> &urls) : urls_(urls) {}

    void data_received(Transport transport, Bytes data) override {
        frames_.push(data);
        while (auto line = frames_.line(LINE_MAX_BYTES - 1)) {
            auto text = as_text(*line);
            if (text.starts_with("echo ")) {
                // For whoever wants to see that a sleeping neighbour delays nobody.
                transport.write_many({text, "\n"});
            } else if (!fetch_and_sleep(transport, text.starts_with("wait"))) {
                return print(std::string(wait_error_text()));
            }
        }
        if (frames_.is_invalid())
            transport.lose_connection();
    }

    void read_closed(Transport transport) override {
        for (const auto &page : under_way_)
            page.wait();
        transport.lose_connection();
    }

  private:
    /** Returns whether it was not interrupted. */
    bool fetch_and_sleep(Transport transport, bool waits) {
        std::erase_if(under_way_, [](const Pending &page) { return !page.is_pending(); });
        auto first = under_way_.size();
        for (const auto &url : urls_)
            under_way_.push_back(get_page(url, [=](const Page &page) { show_page(transport, url, page); }));
        // The sequential style: go on when the pages are there. In the callback style they come after this handler has
        // returned, in order of arrival. Both have the same callbacks.
        for (auto i = first; waits && i < under_way_.size(); i++)
            if (under_way_[i].wait() != Wait::waited)
                return false;
        for (int nap = 1; nap <= 2; nap++) {
            print("sleeping, " + std::to_string(nap) + " of 2");
            if (sleep(1s) != Wait::waited)
                return false;
        }
        print("awake");
        transport.write("done\n");
        return true;
    }

    /** When a page is there: prints it and tells the peer. */
    static void show_page(Transport transport, const std::string &url, const Page &page) {
        if (page.is_fetched()) {
            auto length = std::to_string(page.body().size());
            print(url + ": " + length + " bytes: \"" + std::string(as_text(page.body()).substr(0, 100)) + "\"");
            transport.write(url + " " + length + "\n");
        } else {
            print(url + ": " + page.error_text());
            transport.write(url + " error: " + page.error_text() + "\n");
        }
    }

    const std::vector<std::string> &urls_;
    Frames frames_;
    /** Kept so that none calls back after this protocol, and a peer that has closed its side gets its pages. */
    std::vector<Pending> under_way_;
};

class PagesFactory : public Factory {
    Failure start(const Config &config) override {
        urls_ = {std::string(config.get("url1").value_or("http://www.example.com/")),
                 std::string(config.get("url2").value_or("http://www.example.org/"))};
        return std::nullopt;
    }

    std::unique_ptr<Protocol> build_protocol(Transport) override { return std::make_unique<Pages>(urls_); }

    std::vector<std::string> urls_;
};

WISTED_SERVE(PagesFactory)
