package migration

// Phase is where a migration stands, as the operator sees it.
type Phase string

// The phases, in the order in which a migration passes through them. The last
// four are ends.
const (
	Validating  Phase = "validating"
	Preparing   Phase = "preparing"
	Copying     Phase = "copying"
	CatchingUp  Phase = "catching_up"
	Ready       Phase = "ready"
	CuttingOver Phase = "cutting_over"
	Finalizing  Phase = "finalizing"
	CleaningUp  Phase = "cleaning_up"
	Completed   Phase = "completed"
	Canceled    Phase = "canceled"
	Expired     Phase = "expired"
	Failed      Phase = "failed"
)

// Ended says whether nothing follows this phase.
func (p Phase) Ended() bool {
	switch p {
	case Completed, Canceled, Expired, Failed:
		return true
	default:
		return false
	}
}

// Pausable says whether a migration can be paused in this phase.
func (p Phase) Pausable() bool {
	return p == Copying || p == CatchingUp || p == Ready
}

// Syncing says whether the change stream is being applied in this phase.
func (p Phase) Syncing() bool {
	return p == CatchingUp || p == Ready
}
