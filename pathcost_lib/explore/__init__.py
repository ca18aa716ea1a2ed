"""Look around: views of a pathway or of areas, their page of controls, JupyterLab and Voilà on this machine."""
