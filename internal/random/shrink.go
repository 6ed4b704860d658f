package random

import "slices"

// Shrink leaves out of a list what is not needed for it to fail: halves first, then
// ever smaller pieces, until no single one can go. fails must hold for the whole
// list.
func Shrink[T any](list []T, fails func([]T) bool) []T {
	for size := max(1, len(list)/2); ; size /= 2 {
		for smaller := true; smaller; {
			smaller = false
			for from := 0; from < len(list); {
				without := slices.Concat(list[:from], list[min(from+size, len(list)):])
				if len(list) > 0 && fails(without) {
					list, smaller = without, true
				} else {
					from += size
				}
			}
		}
		if size <= 1 {
			return list
		}
	}
}
