package bench

import "context"

func (s *suite) steadyLag(context.Context) error   { return nil }
func (s *suite) workersPart(context.Context) error { return nil }
func (s *suite) quickPart(ctx context.Context) error {
	set := s.copySets()[0]
	return s.copySet(ctx, "quick.copy.", set)
}
