"""Where guest bytes lie: guest offset → host offset."""
