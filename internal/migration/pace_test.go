package migration

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		want  Rate
		print string
		err   string
	}{
		{text: "5000docs/s", want: Rate{Documents: 5000}, print: "5000docs/s"},
		{text: "5000 docs/s", want: Rate{Documents: 5000}, print: "5000docs/s"},
		{text: "20MB/s", want: Rate{Bytes: 20e6}, print: "20MB/s"},
		{text: "1.5MB/s", want: Rate{Bytes: 15e5}, print: "1500kB/s"},
		{text: "64KiB/s", want: Rate{Bytes: 64 << 10}, print: "64KiB/s"},
		{text: "2GiB/s", want: Rate{Bytes: 2 << 30}, print: "2GiB/s"},
		{text: "7KB/s", want: Rate{Bytes: 7000}, print: "7kB/s"},
		{text: "1000GB/s", want: Rate{Bytes: 1e12}, print: "1000GB/s"},
		{text: "700B/s", want: Rate{Bytes: 700}, print: "700B/s"},
		{text: "off"}, {text: "0"}, {text: "0docs/s"}, {text: "0.0MB/s"},
		{text: "", err: "like 5000docs/s or 20MB/s"},
		{text: "5000", err: "like 5000docs/s or 20MB/s"},
		{text: "-5docs/s", err: "like 5000docs/s"},
		{text: "20MB", err: "like 5000docs/s"},
		{text: "20mb/s", err: "like 5000docs/s"},
		{text: "20Mbit/s", err: "like 5000docs/s"},
		{text: "1e6docs/s", err: "like 5000docs/s"},
		{text: "9999999999999999999docs/s", err: "like 5000docs/s"},
		{text: "0.5docs/s", err: "want at least 1docs/s"},
	} {
		got, err := ParseRate(c.text)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want || got.String() != c.print {
			t.Errorf("%q: %+v (%s), %v", c.text, got, got, err)
		}
	}
}

func TestRateShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate, want Rate
		n          int
	}{
		{Rate{Documents: 1000}, Rate{Documents: 250}, 4},
		{Rate{Bytes: 10}, Rate{Bytes: 3}, 3},
		{Rate{Documents: 2}, Rate{Documents: 1}, 8},
		{Rate{}, Rate{}, 4},
		{Rate{Bytes: 10}, Rate{Bytes: 10}, 0},
	} {
		if got := c.rate.Share(c.n); got != c.want {
			t.Errorf("%+v by %d: %+v, want %+v", c.rate, c.n, got, c.want)
		}
	}
}

func TestTuning(t *testing.T) {
	t.Parallel()
	now := Pace{Load: LoadHigh, MaxRate: Rate{Documents: 10}}
	for _, c := range []struct {
		wish Tuning
		want Pace
		err  []string
	}{
		{wish: Tuning{Load: "low"}, want: Pace{Load: LoadLow, MaxRate: Rate{Documents: 10}}},
		{wish: Tuning{MaxRate: "1MB/s"}, want: Pace{Load: LoadHigh, MaxRate: Rate{Bytes: 1e6}}},
		{wish: Tuning{MaxRate: "off"}, want: Pace{Load: LoadHigh}},
		{wish: Tuning{Load: "normal", MaxRate: "off"}, want: Pace{Load: LoadNormal}},
		{wish: Tuning{}, err: []string{"it says nothing"}},
		{wish: Tuning{Load: "fast", MaxRate: "soon"}, err: []string{`load "fast": want low, normal or high`, `rate "soon"`}},
	} {
		got, err := c.wish.Of(now)
		for _, text := range c.err {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%+v: %v, want %q", c.wish, err, text)
			}
		}
		if (err == nil) != (c.err == nil) || got != c.want {
			t.Errorf("%+v: %+v, %v", c.wish, got, err)
		}
	}
}

// TestRateLimits: what is accepted can be read again however it is divided.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1001GB/s", "99999999999GB/s", "1000000000001docs/s", "999999.123456GiB/s"} {
		if got, err := ParseRate(text); err == nil || !strings.Contains(err.Error(), "want at most") {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"1000GB/s", "999.999999GB/s", "1000000000000docs/s", "931GiB/s"} {
		r, err := ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 9 {
			share, back := r.Share(n), Rate{}
			if err := back.UnmarshalText([]byte(share.String())); err != nil || back != share {
				t.Errorf("%s by %d: %s became %s, %v", text, n, share, back, err)
			}
		}
	}
}

// TestRequestOfUnknownKeys: who types one is told.
func TestRequestOfUnknownKeys(t *testing.T) {
	t.Parallel()
	var r Request
	if err := json.Unmarshal([]byte(`{"load":"low","max-rate":"1MB/s"}`), &r); err == nil || !strings.Contains(err.Error(), "max-rate") {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := json.Unmarshal([]byte(`{"load":"low","maxRate":"1MB/s"}`), &r); err != nil || r.Tuning != (Tuning{"low", "1MB/s"}) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestPaceTravels: what was written before there was a pace means normal.
func TestPaceTravels(t *testing.T) {
	t.Parallel()
	var old Spec
	if err := json.Unmarshal([]byte(`{"id":"m"}`), &old); err != nil || old.WithDefaults().Pace != (Pace{Load: LoadNormal}) {
		t.Errorf("%+v, %v", old.WithDefaults().Pace, err)
	}
	for _, p := range []Pace{{Load: LoadNormal}, {Load: LoadLow, MaxRate: Rate{Bytes: 15e5}}} {
		data, err := json.Marshal(p)
		var back Pace
		if err == nil {
			err = json.Unmarshal(data, &back)
		}
		if err != nil || back != p {
			t.Errorf("%+v became %s, %+v: %v", p, data, back, err)
		}
	}
	if data, _ := json.Marshal(Pace{Load: LoadNormal}); string(data) != `{"load":"normal","maxRate":""}` {
		t.Errorf("%s", data)
	}
}
