// The package against the fake host: order, outcomes, and what is told to whom.

package wisted_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"wisted.dev/wisted"
	"wisted.dev/wisted/wistedtest"
)

const url = "http://one.test/"

func equal[T comparable](t *testing.T, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("got %v, wanted %v", got, wanted)
	}
}

func TestCallsAreMadeInOrderOfTheirTime(t *testing.T) {
	host := wistedtest.NewHost(t)
	var calls []string
	for _, ms := range []int{30, 10, 20} {
		wisted.CallLater(time.Duration(ms)*time.Millisecond, func() {
			calls = append(calls, fmt.Sprint(ms, wisted.Now()))
		})
	}
	host.Advance(20 * time.Millisecond)
	equal(t, fmt.Sprint(calls), "[10 10ms 20 20ms]")
	host.Advance(10 * time.Millisecond)
	equal(t, len(calls), 3)
}

func TestACancelledCallIsNotMade(t *testing.T) {
	host := wistedtest.NewHost(t)
	timer := wisted.CallLater(time.Second, func() { t.Error("it was made") })
	equal(t, timer.Active(), true)
	equal(t, timer.Cancel(), true)
	equal(t, timer.Active(), false)
	equal(t, timer.Cancel(), false)
	host.Advance(2 * time.Second)
}

func TestATimerCanBeWaitedFor(t *testing.T) {
	wistedtest.NewHost(t)
	made := 0
	timer := wisted.CallLater(1500*time.Microsecond, func() { made++ })
	equal(t, timer.Wait(), nil)
	equal(t, timer.Wait(), nil)
	equal(t, made, 1)
	// Rounded up.
	equal(t, wisted.Now(), 2*time.Millisecond)
}

func TestACallMayCallLaterAgain(t *testing.T) {
	host := wistedtest.NewHost(t)
	count := 0
	var tick func()
	tick = func() {
		if count++; count < 4 {
			wisted.CallLater(time.Second, tick)
		}
	}
	tick()
	host.Advance(10 * time.Second)
	equal(t, count, 4)
	equal(t, wisted.Now(), 10*time.Second)
}

func TestCallbacksRunWhenThePageArrives(t *testing.T) {
	host := wistedtest.NewHost(t)
	host.Respond(url, "hello", time.Second)
	var seen []string
	note := func(page *wisted.Response, err error) { seen = append(seen, string(page.Body)) }
	fetch := wisted.GetPage(url).Then(note).Then(note)
	equal(t, fetch.Ready(), false)
	host.Advance(time.Second)
	equal(t, fetch.Ready(), true)
	fetch.Then(note)
	equal(t, fmt.Sprint(seen), "[hello hello hello]")
	page, err := fetch.Wait()
	equal(t, err, nil)
	equal(t, page.Success(), true)
	equal(t, fetch.Cancel(), false)
}

func TestAWaitRunsTheCallbacksFirst(t *testing.T) {
	host := wistedtest.NewHost(t)
	host.Respond(url, "hello", time.Second)
	ran := false
	page, err := wisted.GetPage(url).Then(func(*wisted.Response, error) { ran = true }).Wait()
	equal(t, err, nil)
	equal(t, string(page.Body), "hello")
	equal(t, ran, true)
	equal(t, wisted.Now(), time.Second)
}

func TestErrorsAreTold(t *testing.T) {
	host := wistedtest.NewHost(t)
	host.Fail(url, &wisted.FetchError{Kind: wisted.FetchTooLarge, Limit: 7})
	_, err := wisted.GetPage(url).Wait()
	equal(t, err.Error(), "the page is longer than 7 bytes")
	var fetchError *wisted.FetchError
	_, err = wisted.GetPage("http://unknown.test/").Wait()
	equal(t, errors.As(err, &fetchError), true)
	equal(t, fetchError.Kind, wisted.FetchConnect)
	equal(t, wisted.FetchTooManyRedirects.String(), "too-many-redirects")
}

func TestCancellingCallsBackAtOnce(t *testing.T) {
	host := wistedtest.NewHost(t)
	host.Respond(url, "hello", time.Second)
	var seen error
	fetch := wisted.GetPage(url).Then(func(_ *wisted.Response, err error) { seen = err })
	equal(t, fetch.Cancel(), true)
	equal(t, seen, wisted.ErrCancelled)
	equal(t, fetch.Cancel(), false)
	host.Advance(time.Minute)
}

func TestALostConnectionEndsTheWaitAndTheRequestCanBeInspected(t *testing.T) {
	host := wistedtest.NewHost(t)
	lost := &wisted.WaitError{Kind: wisted.WaitConnectionLost}
	host.BreakWaits(lost)
	headers := []wisted.Header{{Name: "a", Value: "b"}}
	_, err := wisted.Send(wisted.Request{URL: url, Headers: headers, Timeout: time.Second}).Wait()
	equal(t, err, error(lost))
	equal(t, wisted.Sleep(time.Second), error(lost))
	equal(t, wisted.CallLater(0, nil).Wait(), error(lost))
	equal(t, err.Error(), "gave up waiting: the connection was closed")
	equal(t, host.Requests()[0].Method, "GET")
}

func TestHeadersAreFoundWhateverTheirCase(t *testing.T) {
	headers := []wisted.Header{{Name: "Content-Type", Value: "a"}, {Name: "content-type", Value: "b"}}
	page := wisted.Response{Headers: headers}
	equal(t, page.Header("CONTENT-TYPE"), "a")
	equal(t, page.Header("x"), "")
}

// noting writes down what happens, and does what it receives.
type noting struct {
	notes []string
	kept  []byte
}

func (n *noting) note(words ...any) { n.notes = append(n.notes, fmt.Sprint(words...)) }

func (n *noting) Start(config wisted.Config) error {
	if text, ok := config.Lookup("fail"); ok {
		return errors.New(text)
	}
	return nil
}

func (n *noting) BuildProtocol(peer wisted.Address) wisted.Protocol { return &notingProtocol{n} }
func (n *noting) Stop()                                             { n.note("stop") }

type notingProtocol struct{ *noting }

func (n notingProtocol) ConnectionMade(t *wisted.Transport) { n.note("made ", t.ID()) }
func (n notingProtocol) ReadClosed(t *wisted.Transport)     { n.note("read closed") }
func (n notingProtocol) Drained(t *wisted.Transport)        { n.note("drained") }

func (n notingProtocol) ConnectionLost(t *wisted.Transport, reason wisted.CloseReason) {
	_, err := t.WriteString("too late")
	n.note("lost: ", reason, " ", err == wisted.ErrClosed)
}

func (n notingProtocol) DataReceived(t *wisted.Transport, data []byte) {
	n.kept = data
	switch string(data) {
	case "lose":
		t.LoseConnection()
		t.WriteString("ignored")
	case "abort":
		t.AbortConnection()
	case "pause":
		t.PauseReading()
		wisted.CallLater(time.Second, t.ResumeReading)
	case "many":
		t.WriteMany([]byte("a"), nil, []byte("b"))
	}
}

func (n *noting) take() string {
	notes := fmt.Sprint(n.notes)
	n.notes = nil
	return notes
}

func TestTheLifeOfConnections(t *testing.T) {
	host, factory := wistedtest.NewHost(t), new(noting)
	server := host.Serve(factory)
	one, two, three := server.Connect(), server.Connect(), server.Connect()
	one.Send("many")
	equal(t, one.Drain(), "ab")
	one.Close()
	equal(t, factory.take(), "[made 1 made 2 made 3 drained read closed]")
	one.Send("lose")
	two.Send("abort")
	three.Reset()
	equal(t, one.Take(), "")
	equal(t, factory.take(), "[lost: the connection was closed true lost: the connection was aborted true "+
		"lost: the connection was lost: reset by the fake peer true]")
	server.Connect()
	server.Stop()
	equal(t, factory.take(), "[made 4 lost: the host is stopping true stop]")
}

func TestWhatComesWhileReadingIsPausedIsKept(t *testing.T) {
	host, factory := wistedtest.NewHost(t), new(noting)
	peer := host.Serve(factory).Connect()
	peer.Send("pause")
	equal(t, peer.ReadingPaused(), true)
	peer.Send("lo")
	peer.Send("se")
	equal(t, peer.Disconnected(), false)
	host.Advance(time.Second)
	equal(t, peer.Disconnected(), true)
}

func TestWhatIsReceivedIsOnlyLent(t *testing.T) {
	factory := new(noting)
	wistedtest.NewHost(t).Serve(factory).Connect().Send("mine")
	equal(t, string(factory.kept), "????")
}

// counting hands over how many came.
type counting struct {
	noting
	came []byte
}

func (c *counting) SaveState() []byte { return c.came }

func (c *counting) RestoreState(state []byte) error {
	if string(state) == "odd" {
		return errors.New("that is no number")
	}
	c.came = state
	return nil
}

func TestStateIsHandedOver(t *testing.T) {
	host, old, next := wistedtest.NewHost(t), &counting{came: []byte("5")}, new(counting)
	state := host.Serve(old).SaveState()
	server := host.Serve(next)
	equal(t, server.RestoreState([]byte("odd")).Error(), "that is no number")
	equal(t, len(server.SaveState()), 0)
	equal(t, server.RestoreState(state), nil)
	equal(t, string(state), "5")
	// What it was given was only lent.
	equal(t, string(server.SaveState()), "?")
}

func TestAnErrorAtTheStartIsTold(t *testing.T) {
	host := wistedtest.NewHost(t)
	host.Configure("fail", "no")
	_, err := host.TryServe(new(noting))
	equal(t, err.Error(), "no")
	value, ok := wisted.ConfigValue("fail")
	equal(t, value, "no")
	equal(t, ok, true)
	equal(t, wisted.ConfigAll().Get("other", "fallback"), "fallback")
}

func TestRecordsAndRandomness(t *testing.T) {
	host := wistedtest.NewHost(t)
	wisted.Log(wisted.LevelWarn, "text")
	equal(t, slices.Equal(host.TakeLog(), []wistedtest.Record{{Level: wisted.LevelWarn, Message: "text"}}), true)
	equal(t, len(wisted.RandomBytes(65_536)), 65_536)
	equal(t, wisted.Address{Host: "::1", Port: 80}.String(), "[::1]:80")
}
