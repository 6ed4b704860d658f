package scenario

// NotYet are scenarios that fail today, with the reason. Tests skip them.
var NotYet = map[string]string{}
