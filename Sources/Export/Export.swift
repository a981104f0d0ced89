// Calibration, quantisation and the accuracy report.
