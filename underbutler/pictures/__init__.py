"""Pictures that are made of products: the stretch of an image, and the contact sheet of a night."""
