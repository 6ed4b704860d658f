package bench

import (
	"fmt"
	"io"
	"time"
)

// figures collect the values of a part, by name, over its repetitions.
type figures struct {
	prefix string
	order  []string
	byName map[string]*figure
}

// figure is what is known of one name.
type figure struct {
	unit, about string
	target      *Target
	values      series
}

func newFigures(prefix string) *figures {
	return &figures{prefix: prefix, byName: map[string]*figure{}}
}

// add notes the value of this repetition. target is nil when there is none.
func (f *figures) add(name string, value float64, unit string, target *Target, about string) {
	name = f.prefix + name
	if f.byName[name] == nil {
		f.byName[name] = &figure{unit: unit, about: about, target: target}
		f.order = append(f.order, name)
	}
	f.byName[name].values = append(f.byName[name].values, value)
}

// values are those of a name so far.
func (f *figures) values(name string) series {
	if known := f.byName[f.prefix+name]; known != nil {
		return known.values
	}
	return nil
}

func (f *figures) results(on string) []Result {
	var out []Result
	at := time.Now().UTC().Format(time.RFC3339)
	for _, name := range f.order {
		known := f.byName[name]
		r := Result{
			Name: name, Value: significant(known.values.median()), Unit: known.unit, Spread: significant(known.values.spread()),
			Repeats: len(known.values), About: known.about, Target: known.target, On: on, At: at,
		}
		if r.Target != nil {
			r.Reached = r.Target.reached(r.Value, r.Spread)
		}
		out = append(out, r)
	}
	return out
}

// repetition says how often to measure: at least Least times, and on until the spread
// of what matters is below Precision of its median, Most times were measured or the
// part's time is up.
type repetition struct {
	Least, Most int
	Precision   float64
	log         io.Writer
}

// repeat measures again and again. key is the figure that matters most; limit is the
// time of the part, which ends it after twice as long also with fewer repetitions.
func (r repetition) repeat(f *figures, key string, limit time.Duration, once func(n int) error) error {
	started := time.Now()
	for n := 0; ; n++ {
		began := time.Now()
		if err := once(n); err != nil {
			return fmt.Errorf("%s%s, repetition %d: %w", f.prefix, key, n+1, err)
		}
		v := f.values(key)
		_, _ = fmt.Fprintf(r.log, "%s %s%s: %s in repetition %d (%.0f s)\n", // it is only for those who wait
			time.Now().Format(time.TimeOnly), f.prefix, key, number(v[len(v)-1]), n+1, time.Since(began).Seconds())
		if r.enough(v, time.Since(started)+time.Since(began), limit) {
			return nil
		}
	}
}

// enough says whether to stop; until is how long it would have taken after one more.
func (r repetition) enough(v series, until, limit time.Duration) bool {
	switch {
	case len(v) >= r.Most || until > 2*limit:
		return true
	case len(v) < r.Least:
		return false
	default:
		return until > limit || v.spread() <= r.Precision*v.median()
	}
}
