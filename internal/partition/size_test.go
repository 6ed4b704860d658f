package partition

import "testing"

// TestPartSize: however much there is, the plan stays small; each collection has at
// most one part more than its share of maxParts.
func TestPartSize(t *testing.T) {
	t.Parallel()
	const gb, tb = int64(1) << 30, int64(1) << 40
	for _, c := range []struct {
		collections int
		bytes, want int64
	}{
		{1, 0, partBytes},
		{1, 100 * gb, partBytes},
		{1, tb, gb},
		{10, tb, 10 * gb},
		{100_000, 1 << 20, partBytes},
	} {
		wholes := make([]Part, c.collections)
		for i := range wholes {
			wholes[i].Bytes = c.bytes
		}
		got, parts := partSize(wholes), int64(0)
		for _, w := range wholes {
			parts += w.Bytes/got + 1
		}
		if got != c.want || parts > maxParts+int64(c.collections) {
			t.Errorf("%d of %d bytes: parts of %d, %d of them", c.collections, c.bytes, got, parts)
		}
	}
}
