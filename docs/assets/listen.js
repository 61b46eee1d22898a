// Of the players in one .listen only one plays, and it goes on where the other one was: A and B at the same place.
document.addEventListener("play", event => {
  const group = event.target.closest(".listen")
  if (!group) return
  for (const other of group.querySelectorAll("audio")) {
    if (other === event.target || other.paused) continue
    event.target.currentTime = other.currentTime
    other.pause()
  }
}, true)
