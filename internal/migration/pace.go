package migration

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Load is how much of both clusters a migration may take.
type Load string

// The loads.
const (
	LoadLow    Load = "low"
	LoadNormal Load = "normal"
	LoadHigh   Load = "high"
)

// Loads are all there are.
func Loads() []Load { return []Load{LoadLow, LoadNormal, LoadHigh} }

// ParseLoad reads one of the words.
func ParseLoad(text string) (Load, error) {
	if !slices.Contains(Loads(), Load(text)) {
		return "", fmt.Errorf("load %q: want low, normal or high", text)
	}
	return Load(text), nil
}

// Rate is how much may be copied or applied in a second: documents or bytes, one of
// the two. Its zero value is no limit.
type Rate struct {
	Documents, Bytes int64
}

// RateOff is the word for no limit.
const RateOff = "off"

// byteUnits are what a rate of bytes may be told in, the largest first. Powers of
// 1000 and of 1024 are told apart as everywhere.
var byteUnits = []struct {
	name string
	size int64
}{
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
}

// maxRate is above what any server takes; a share of it is read as it was written.
const maxRate = 1e12

var ratePattern = regexp.MustCompile(`^([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)/s$`)

// ParseRate reads 5000docs/s or 20MB/s; off is no limit.
func ParseRate(text string) (Rate, error) {
	if text == RateOff || text == "0" {
		return Rate{}, nil
	}
	wrong := fmt.Errorf("rate %q: want documents or bytes per second, like 5000docs/s or 20MB/s (kB, MB, GB, KiB, MiB, GiB), or off", text)
	found := ratePattern.FindStringSubmatch(text)
	if found == nil {
		return Rate{}, wrong
	}
	amount, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return Rate{}, wrong
	}
	var r Rate
	size := unitSize(found[2])
	switch {
	case found[2] == "docs":
		r.Documents = int64(amount)
	case size > 0:
		r.Bytes = int64(amount * float64(size))
	default:
		return Rate{}, wrong
	}
	if amount == 0 {
		return Rate{}, nil
	}
	if amount*float64(max(size, 1)) > maxRate {
		return Rate{}, fmt.Errorf("rate %q: want at most %ddocs/s or %s, or off", text, int64(maxRate), Rate{Bytes: maxRate})
	}
	if !r.Limited() {
		return Rate{}, fmt.Errorf("rate %q: want at least 1docs/s or 1B/s", text)
	}
	return r, nil
}

func unitSize(name string) int64 {
	for _, u := range byteUnits {
		if u.name == name || u.name == "kB" && name == "KB" {
			return u.size
		}
	}
	return 0
}

// Limited says whether there is a limit.
func (r Rate) Limited() bool { return r.Documents > 0 || r.Bytes > 0 }

// Share is one of n equal parts, never nothing where there is a limit.
func (r Rate) Share(n int) Rate {
	part := func(v int64) int64 {
		if v == 0 {
			return 0
		}
		return max(v/int64(max(n, 1)), 1)
	}
	return Rate{Documents: part(r.Documents), Bytes: part(r.Bytes)}
}

// String is what ParseRate reads, in the largest unit that is exact; "" is no limit.
func (r Rate) String() string {
	switch {
	case r.Documents > 0:
		return fmt.Sprintf("%ddocs/s", r.Documents)
	case r.Bytes > 0:
		best := byteUnits[len(byteUnits)-1]
		for _, u := range byteUnits {
			if r.Bytes%u.size == 0 && u.size > best.size {
				best = u
			}
		}
		return fmt.Sprintf("%d%s/s", r.Bytes/best.size, best.name)
	default:
		return ""
	}
}

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate; nothing is no limit.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	*r, err = ParseRate(string(text))
	return err
}

// Pace is how fast a migration may go. It can be changed while it runs.
type Pace struct {
	Load    Load `json:"load"`
	MaxRate Rate `json:"maxRate"`
}

// WithDefaults fills what was left out.
func (p Pace) WithDefaults() Pace {
	p.Load = orDefault(p.Load, LoadNormal)
	return p
}

// Share is the pace of one of n that go side by side.
func (p Pace) Share(n int) Pace {
	p.MaxRate = p.MaxRate.Share(n)
	return p
}

// String is the pace in words.
func (p Pace) String() string {
	limit := "no max rate"
	if p.MaxRate.Limited() {
		limit = "max rate " + p.MaxRate.String()
	}
	return fmt.Sprintf("load %s, %s", p.WithDefaults().Load, limit)
}

// Tuning is a wish for another pace: what is "" stays as it is.
type Tuning struct {
	Load    string `json:"load,omitempty"`
	MaxRate string `json:"maxRate,omitempty"`
}

// Of gives the pace that the wish makes of another.
func (t Tuning) Of(p Pace) (Pace, error) {
	if t == (Tuning{}) {
		return Pace{}, errors.New("it says nothing: want load (low, normal, high), maxRate (like 5000docs/s, 20MB/s, off), or both")
	}
	var wrong []string
	if t.Load != "" {
		load, err := ParseLoad(t.Load)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		p.Load = load
	}
	if t.MaxRate != "" {
		rate, err := ParseRate(t.MaxRate)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		p.MaxRate = rate
	}
	if len(wrong) > 0 {
		return Pace{}, errors.New(strings.Join(wrong, "; "))
	}
	return p, nil
}
