"""The page of `rtdenoise web`: a server for this computer only, and in `static/` what the browser shows.

`server` opens the port, `guard` lets in who has the token, `app` says what there is, `uploads` keeps what was dropped,
`denoising` streams it, `live` starts and steers the process that makes the live sound.
"""
