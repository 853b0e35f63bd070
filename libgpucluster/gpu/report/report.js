
(function () {
  "use strict";
  var form = document.getElementById("filter"), find = document.getElementById("find");
  var only = document.getElementById("only"), shown = document.getElementById("shown");
  var all = Array.prototype.slice.call(document.querySelectorAll("[data-n]"));
  var tiles = document.querySelectorAll(".grid > li").length;

  function apply() {
    var text = find.value.trim().toLowerCase(), verdict = only.value, count = 0;

    all.forEach(function (e) {
      var fits = (!verdict || e.dataset.v === verdict) && e.dataset.n.toLowerCase().indexOf(text) >= 0;

      e.hidden = !fits;
      if (fits && e.tagName === "LI") count++;
    });
    shown.textContent = count + " of " + tiles + " machines";
  }

  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));

    if (target && target.parentNode.tagName === "DETAILS") {
      target.parentNode.hidden = false;
      target.parentNode.open = true;
      target.scrollIntoView();
    }
  }

  form.addEventListener("submit", function (event) { event.preventDefault(); });
  find.addEventListener("input", apply);
  only.addEventListener("change", apply);
  window.addEventListener("hashchange", reveal);
  form.hidden = tiles < 2;
  apply();
  reveal();
}());
