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

// TestSamples: bounds of few parts are sampled well, those of many at a cost that is
// bounded, and a large collection is never read for its bounds as a whole.
func TestSamples(t *testing.T) {
	t.Parallel()
	const gb = int64(1) << 30
	for _, c := range []struct {
		about              string
		wanted             int
		documents, bytes   int64
		parts, size, share int
	}{
		{"2 million of 1 KB", 16, 2_000_000, 2 * gb, 16, 6400, 20},
		{"1 TB of 1 KB", 1025, 1 << 30, 1 << 40, 1025, 20_500, 20},
		{"100 GB of 1 KB", 801, 100 << 20, 100 * gb, 801, 20_000, 20},
		{"1 GB of 50 KB", 8, 20_000, gb, 8, 0, 20},
		{"10 GB of 16 MB", 81, 640, 10 * gb, 81, 0, 20},
		{"1 GB of 16 MB", 9, 64, gb, 9, 0, 20},
		{"a small one, in many parts", 100, 1000, 1 << 20, 100, 20_000, 0},
	} {
		parts, size := samples(c.wanted, Part{Documents: c.documents, Bytes: c.bytes})
		if parts != c.parts || size != c.size || int64(size*c.share) > c.documents {
			t.Errorf("%s: %d parts by %d samples, want %d by %d, of at most a twentieth", c.about, parts, size, c.parts, c.size)
		}
	}
}
