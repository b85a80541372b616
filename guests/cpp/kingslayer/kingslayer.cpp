// Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.
#include <wisted.hpp>

using wisted::Failure;

/** What happens at one event. */
class Handler {
  public:
    virtual ~Handler() = default;
    virtual std::string name() const = 0;

    /** Every handler has its own; one that forgets it is told so. */
    virtual Failure execute() const {
        return "the handler `" + name() + "` does nothing: you must override execute";
    }
};

/** The handlers, in the order in which they were registered. */
class Events {
  public:
    void add(std::unique_ptr<Handler> handler) { handlers_.push_back(std::move(handler)); }

    /** Executes each handler in turn. The first failure ends the run. */
    Failure run() const {
        for (const auto &handler : handlers_)
            if (auto failure = handler->execute())
                return failure;
        return std::nullopt;
    }

  private:
    std::vector<std::unique_ptr<Handler>> handlers_;
};

/** A handler that says its line. */
class Say : public Handler {
  public:
    Say(std::string name, std::string line) : name_(std::move(name)), line_(std::move(line)) {}
    std::string name() const override { return name_; }
    Failure execute() const override {
        wisted::info(name_ + ": " + line_);
        return std::nullopt;
    }

  private:
    std::string name_, line_;
};

/** A handler that does not override `execute`. */
class Forgetful : public Handler {
    std::string name() const override { return "forgetful"; }
};

class Kingslayer : public wisted::Program {
    Failure start(const wisted::Config &config) override {
        events_.add(std::make_unique<Say>("oath", "the guard swears to keep the king"));
        events_.add(std::make_unique<Say>("doubt", "the king calls for fire"));
        events_.add(std::make_unique<Say>("deed", "the guard draws his sword"));
        if (config.get("forget") == "true")
            events_.add(std::make_unique<Forgetful>());
        return std::nullopt;
    }

    Failure execute() override { return events_.run(); }

    Events events_;
};

WISTED_RUN(Kingslayer)
