package bench

import (
	"math"
	"slices"
	"time"
)

// series are the values of one figure, one a repetition.
type series []float64

// median is the middle value, 0 of none.
func (s series) median() float64 { return s.quantile(0.5) }

// quantile interpolates between the two nearest values.
func (s series) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// spread is half of the distance between the smallest and the largest value: with
// as few repetitions as these, quartiles would flatter.
func (s series) spread() float64 {
	if len(s) == 0 {
		return 0
	}
	return (slices.Max(s) - slices.Min(s)) / 2
}

// per divides, 0 by nothing.
func per(amount, by float64) float64 {
	if by == 0 {
		return 0
	}
	return amount / by
}

// rate is an amount a second.
func rate(amount int64, took time.Duration) float64 { return per(float64(amount), took.Seconds()) }

// significant leaves four digits: more than any spread allows for.
func significant(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
