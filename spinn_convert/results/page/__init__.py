"""report.html: one file that opens offline, with figures by Bokeh."""
