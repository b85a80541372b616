// A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.
#include <algorithm>
#include <charconv>
#include <map>

#include <wisted.hpp>

using namespace wisted;

/** Nobody may have the room remember more than this. */
constexpr std::size_t LINE_MAX_BYTES = 1024;

/** Who is there, by number. */
using Room = std::map<int, Transport>;

class Speaker : public Protocol {
  public:
    Speaker(int number, Room &room) : number_(number), room_(room) {}

    void connection_made(Transport transport) override {
        transport.write("* you are " + name_ + ", with " + std::to_string(room_.size()) + " others here\n");
        room_.emplace(number_, transport);
        tell_others("* " + name_ + " joined\n");
    }

    void data_received(Transport transport, Bytes data) override {
        frames_.push(data);
        // The line's end is counted, so the line alone has one byte less.
        while (auto line = frames_.line(LINE_MAX_BYTES - 1))
            say(std::string(as_text(*line)));
        if (frames_.is_invalid()) {
            transport.write("* a line may have " + std::to_string(LINE_MAX_BYTES) + " bytes\n");
            transport.lose_connection();
        }
    }

    void connection_lost(Transport, const CloseReason &) override {
        room_.erase(number_);
        tell_others("* " + name_ + " left\n");
    }

  private:
    void say(std::string line) {
        // Control characters would let one peer write over another's screen.
        std::erase_if(line, [](unsigned char byte) { return byte < ' ' || byte == 0x7f; });
        tell_others(name_ + ": " + line + "\n");
    }

    void tell_others(const std::string &news) {
        for (const auto &[number, transport] : room_)
            if (number != number_)
                transport.write(news);
    }

    int number_;
    std::string name_ = std::to_string(number_);
    Room &room_;
    Frames frames_;
};

class Chat : public StatefulFactory {
    std::unique_ptr<Protocol> build_protocol(Transport) override {
        return std::make_unique<Speaker>(++numbers_given_, room_);
    }
    // A new build goes on counting, so that no number is given twice while old connections are still there.
    std::vector<std::uint8_t> save_state() override {
        auto text = std::to_string(numbers_given_);
        return {text.begin(), text.end()};
    }
    Failure restore_state(Bytes state) override {
        auto text = as_text(state);
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers_given_);
        if (error != std::errc() || end != text.data() + text.size())
            return "the state is not the number of those who came";
        return std::nullopt;
    }

    Room room_;
    int numbers_given_ = 0;
};

WISTED_SERVE(Chat)
