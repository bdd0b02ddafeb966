"""WHAT: the built-in science tasks.

The science is that of ccdproc, astroscrappy, sep and scipy; here it is put into order, and its results are named.

    header    what a raw frame must say about itself
    planes    the bit planes of a mask
    isr       overscan, trim, gain, variance, bias, dark, flat
    repair    bad pixels bridged, cosmic rays found and replaced
    detect, extraction          background, detection, deblending
    measure   positions, aperture and Kron photometry; psf, growth, shapes, flags and source_table are its parts
    preview   the picture for people; `pictures` holds its parts
    calexp_header               what a reduced image says of itself
    combine   sigma-clipped masters, and the bad pixels that they show
    validity  over which days a master is certified
    make_calib, process_ccd     the tasks
"""
