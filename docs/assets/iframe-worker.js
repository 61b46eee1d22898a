// Browsers start no worker in a page that was opened as a file. There the search runs in a hidden frame instead; the
// theme's search knows that name and waits for the promise of `importScripts`.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super()
    this.frame = document.createElement("iframe")
    this.frame.hidden = true
    document.body.append(this.frame)
    const inside = this.frame.contentWindow
    inside.document.open()
    inside.document.write(`<body><script>
      postMessage = message => parent.postMessage(message, "*")
      importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise(loaded => {
        const script = document.createElement("script")
        script.src = url
        script.onload = loaded
        document.body.append(script)
      })), Promise.resolve())
    </script><script src="${url}"></script></body>`)
    inside.document.close()
    this.ready = new Promise(done => inside.addEventListener("load", done))
    addEventListener("message", event => {
      if (event.source !== inside) return
      this.dispatchEvent(new MessageEvent("message", {data: event.data}))
    })
  }

  postMessage(data) {
    const inside = this.frame.contentWindow
    this.ready.then(() => inside.dispatchEvent(new MessageEvent("message", {data})))
  }

  terminate() {
    this.frame.remove()
  }
}

if (location.protocol === "file:") {
  window.IFrameWorker = IFrameWorker
  window.Worker = IFrameWorker
}
