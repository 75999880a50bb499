package eavesdrop

// The certainties are measured and not felt: of 1,000 feeds of the mix that scenario_test.go writes, so many claims were right.
const (
	longTextCertainty = 0.83 // that full tokens sealed at once are a record's
	driftCertainty    = 0.94 // that a drift is within three standard errors
	fileCertainty     = 0.99
	clockworkCertain  = 0.99 // that what strikes like a clock is one
	oftenClockwork    = 0.85 // that what does so now and then is several
)

func devicesCertainty(least int) float64 {
	if least < 2*leastSeen {
		return 0.95
	}
	return 0.99
}

func zoneCertainty(n int, share float64) float64 {
	if n < 60 || share > 0.05 {
		return 0.88
	}
	return 0.98
}

func useOf(n, tokens int, p *pace) UseClaim {
	switch {
	case p.run >= 16 && 2*p.run >= tokens:
		return UseClaim{File, fileCertainty}
	case p.regular > steady:
		return UseClaim{Sensor, clockworkCertain}
	case p.regular <= 0.3:
		return UseClaim{Chat, clockworkCertain}
	case n >= 30:
		return UseClaim{Sensor, oftenClockwork}
	}
	return UseClaim{}
}
