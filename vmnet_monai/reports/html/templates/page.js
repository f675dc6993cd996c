"use strict";
const viewer = document.querySelector(".viewer");

function update() {
  for (const control of viewer.querySelectorAll("[data-layer]")) {
    document.getElementById(control.dataset.layer).toggleAttribute("hidden", !control.checked); // SVG has no .hidden
    if (control.dataset.title) document.getElementById(control.dataset.title).hidden = !control.checked;
  }
  for (const slider of viewer.querySelectorAll("[data-opacity]")) {
    viewer.style.setProperty(`--${slider.dataset.opacity}-opacity`, slider.value / 100);
    slider.nextElementSibling.value = `${slider.value} %`;
  }
}

viewer.addEventListener("input", update);
window.addEventListener("pageshow", update); // a browser may bring back what was chosen before
