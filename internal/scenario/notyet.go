package scenario

// NotYet are scenarios that fail today, with the reason. Tests skip them.
var NotYet = map[string]string{
	"kind-clustered-converted": "convertToCapped makes of a clustered collection one that is clustered and capped, which no server creates by name (code 6127800)",
}
