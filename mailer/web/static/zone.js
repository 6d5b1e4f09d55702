// Preselects the browser's time zone.
const zone = document.querySelector('select[data-own-zone]');
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && [...zone.options].some(option => option.value === own)) zone.value = own;
