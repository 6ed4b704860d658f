package migration

// MaxListedIndexes bounds every list of unsuccessful indexes that travels through
// Temporal: with 100,000 collections a habit of one application can be a refusal in
// each, and a status document that is too large to be stored would end the
// migration. Those beyond it are counted.
const MaxListedIndexes = 100

// ListIndexes gives what can be listed, and how many cannot.
func ListIndexes(all []UnsuccessfulIndex) (listed []UnsuccessfulIndex, omitted int) {
	if len(all) <= MaxListedIndexes {
		return all, 0
	}
	return all[:MaxListedIndexes], len(all) - MaxListedIndexes
}
