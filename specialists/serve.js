"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const limit = Number(document.querySelector("main").dataset.limit);
  let stream = null;

  function trouble(words) {
    find("trouble").textContent = words;
    find("trouble").hidden = !words;
  }

  function send(name, blob) {
    if (blob.size > limit) {
      trouble(`${name}: expected at most ${limit / 1e6} MB; received ${(blob.size / 1e6).toFixed(1)} MB.`);
      return;
    }
    trouble("");
    const reader = new FileReader();
    reader.onerror = () => trouble(`${name} cannot be read.`);
    reader.onload = () => {
      const page = window.Bokeh && Bokeh.documents[0];
      if (!page) return trouble("The page has not loaded yet: try again.");
      page.get_model_by_name("upload").data = { name: [name], content: [reader.result.split(",")[1] || ""] };
    };
    reader.readAsDataURL(blob);
  }

  find("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) send(file.name, file);
    event.target.value = "";  // so that the same file can be sent again
  });

  function over(event, on) {
    event.preventDefault();
    find("drop").classList.toggle("over", on);
  }

  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => over(event, false));
  document.addEventListener("drop", (event) => {
    over(event, false);
    const [file] = event.dataTransfer.files;
    if (file) send(file.name, file);
    else trouble("Expected a photo's file; received something else.");
  });

  function running(on) {
    for (const id of ["seen", "shoot", "stop"]) find(id).hidden = !on;
    find("camera").hidden = on;
  }

  function end() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    running(false);
  }

  find("camera").addEventListener("click", async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    } catch (error) {
      return trouble(`The camera cannot be used: ${error.message || error}.`);
    }
    trouble("");
    find("seen").srcObject = stream;
    await find("seen").play();
    running(true);
  });

  find("shoot").addEventListener("click", () => {
    const video = find("seen");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob ? send("camera", blob) : trouble("The camera gave no picture."), "image/jpeg", 0.95);
  });

  find("stop").addEventListener("click", end);
  window.addEventListener("pagehide", end);
})();
