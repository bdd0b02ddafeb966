"""``underbutler runs``: the catalogue's runs, listed, shown, plotted, compared, exchanged and served."""
