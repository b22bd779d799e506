//! Folders of pictures.
