package httpapi

import (
	"net/http"
	"slices"
)

// Routes returns the routes of the API as "METHOD pattern", in no order.
func Routes(h http.Handler) []string {
	var all []string
	for _, r := range h.(*api).apiRoutes() {
		for method := range r.methods {
			for _, p := range r.patterns {
				all = append(all, method+" "+p)
			}
		}
	}
	slices.Sort(all)
	return all
}
